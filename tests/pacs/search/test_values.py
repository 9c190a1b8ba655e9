"""PS3.4 §C.2.2.2, clause by clause."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.attributes import BY_KEYWORD, TABLE, Matching
from pacs.errors import InvalidQuery
from pacs.search.query import AnyOf, Empty, FuzzyName, Items, OneOf, Range, Test, Wildcard
from pacs.search.values import MAX_UIDS, MAX_VALUES, parse_items, parse_value

CASES: list[tuple[str, str, Test | None]] = [
    # Single value (.1)
    ("PatientID", "Ab 1", OneOf(("Ab 1",))),
    ("StudyDescription", "Schädel", OneOf(("schadel",))),
    ("PatientName", "Smith^John^^", OneOf(("smith^john",))),
    ("PatientName", "^^^^", None),
    ("PatientName", "==", None),
    ("InstanceNumber", " 07", OneOf((7,))),
    ("PatientAge", "042Y", OneOf(("042Y",))),
    # What a barcode reader sent: it may be kept so, or without
    ("PatientID", " A1\r\n ", OneOf(("A1", "A1\r\n"))),
    ("AccessionNumber", "\t*1", AnyOf((Wildcard("*1"), Wildcard("\t*1")))),
    ("PatientID", "\t", None),
    ("StudyDate", "20240101\r\n", Range("20240101", "20240101")),
    ("StudyDescription", "A\tb\n", OneOf(("a b",))),
    # NUL is in no stored value
    ("PatientID", "\0A\0B", OneOf(("AB",))),
    ("ModalitiesInStudy", "\0CT\\M\0*", AnyOf((OneOf(("CT",)), Wildcard("M*")))),
    ("PatientID", "\0", None),
    # List of UID (.2), and of anything else
    ("StudyInstanceUID", "1.2\\1.3\\1.2", OneOf(("1.2", "1.3"))),
    ("ModalitiesInStudy", "CT\\MR", OneOf(("CT", "MR"))),
    ("ModalitiesInStudy", "CT\\M*", AnyOf((OneOf(("CT",)), Wildcard("M*")))),
    ("PatientComments", "a\\b", OneOf(("a\\b",))),
    # Universal (.3)
    ("PatientID", "", None),
    ("PatientID", "*", None),
    ("StudyInstanceUID", "*", None),
    ("StudyDate", "*", None),
    ("PatientName", "***", None),
    ("PatientName", "*^*", None),
    ("ModalitiesInStudy", "CT\\*", None),
    ("ModalitiesInStudy", "\\", None),
    # Wildcards (.4)
    ("PatientID", "A?_%*", Wildcard("A?_%*")),
    ("StudyDescription", "SCHÄ**L*", Wildcard("scha*l*")),
    ("PatientName", "SM*^J?hn", Wildcard("sm*^j?hn")),
    ("PatientName", "Smith^*", AnyOf((OneOf(("smith",)), Wildcard("smith^*")))),
    ("PatientName", "Sm*^*^*", AnyOf((Wildcard("sm*"), Wildcard("sm*^*")))),
    ("PatientName", "Yamada*=山田*", AnyOf((Wildcard("yamada*"), Wildcard("山田*")))),
    ("PatientName", "=山田", OneOf(("山田",))),
    # Ranges (.5)
    ("StudyDate", "20240101", Range("20240101", "20240101")),
    ("StudyDate", "20240101-", Range("20240101", None)),
    ("StudyDate", "-20240101", Range(None, "20240101")),
    ("StudyDate", "2024.01.01 - 20240131", Range("20240101", "20240131")),
    ("StudyTime", "10", Range("100000.000000", "105959.999999")),
    ("StudyTime", "10-1130", Range("100000.000000", "113059.999999")),
    ("AcquisitionDateTime", "2024", Range("20240101000000.000000", "20241231235959.999999")),
    ("AcquisitionDateTime", "2023-2024", Range("20230101000000.000000", "20241231235959.999999")),
    ("AcquisitionDateTime", "2024-0500", Range("20240101050000.000000", "20250101045959.999999")),
    ("AcquisitionDateTime", "2024-0500-", Range("20240101050000.000000", None)),
    ("AcquisitionDateTime", "-2024-0500", Range(None, "20250101045959.999999")),
    (
        "AcquisitionDateTime",
        "2024010112-0500-20240102-0500",
        Range("20240101170000.000000", "20240103045959.999999"),
    ),
    # Empty value
    ("PatientID", '""', Empty()),
    ("StudyDate", '""\\20240101', AnyOf((Empty(), Range("20240101", "20240101")))),
]


@pytest.mark.parametrize(("keyword", "text", "test"), CASES)
def test_values(keyword: str, text: str, test: Test | None) -> None:
    assert parse_value(BY_KEYWORD[keyword], text) == test


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("StudyInstanceUID", "1.2.*"),
        ("StudyInstanceUID", "1.2 OR 1=1"),
        ("StudyDate", "2024"),
        ("StudyDate", "2024*"),
        ("StudyDate", "-"),
        ("StudyDate", "20240101-x"),
        ("StudyDate", "20240101-20240102-20240103"),
        ("StudyTime", "25"),
        ("AcquisitionDateTime", "20240230"),
        ("InstanceNumber", "one"),
        ("InstanceNumber", "1*"),
        ("PatientID", "x" * 1025),
        ("PatientID", "?" * 33),
        ("StudyInstanceUID", "\\".join(["1.2"] * (MAX_UIDS + 1))),
        ("ModalitiesInStudy", "\\".join(["CT"] * (MAX_VALUES + 1))),
    ],
)
def test_unusable_values_are_refused_without_repeating_them(keyword: str, text: str) -> None:
    with pytest.raises(InvalidQuery) as refused:
        parse_value(BY_KEYWORD[keyword], text)
    assert keyword in str(refused.value)
    assert text not in str(refused.value)


def test_fuzzy_adds_to_what_plain_matching_finds() -> None:
    test = parse_value(BY_KEYWORD["PatientName"], "Ивaнов*", fuzzy=True)
    assert test == AnyOf((Wildcard("ивaнов*"), FuzzyName(("ivanov",))))
    assert parse_value(BY_KEYWORD["PatientName"], "*", fuzzy=True) is None
    assert parse_value(BY_KEYWORD["StudyDescription"], "x", fuzzy=True) == OneOf(("x",))


def test_items() -> None:
    codes = BY_KEYWORD["ProcedureCodeSequence"]
    value, scheme, other = 0x00080100, 0x00080102, 0x00080103
    both = Items((("CodeValue", OneOf(("T1",))), ("CodingSchemeDesignator", Wildcard("S*"))))
    assert parse_items(codes, [{value: "T1 ", scheme: "S*", other: "1"}]) == both
    assert parse_items(codes, [{value: "*", scheme: ""}]) is None
    assert parse_items(codes, []) is None
    with pytest.raises(InvalidQuery):
        parse_items(codes, [{}, {}])


@given(
    st.sampled_from(TABLE), st.text(st.sampled_from('0129.:-+*?\\^=%_[]" aÄ山и'), max_size=30), st.booleans()
)
def test_any_text_is_a_test_or_refused(attribute: object, text: str, fuzzy: bool) -> None:
    assert isinstance(attribute, type(TABLE[0]))
    if attribute.matching is Matching.SEQUENCE:
        return
    with contextlib.suppress(InvalidQuery):
        parse_value(attribute, text, fuzzy=fuzzy)
