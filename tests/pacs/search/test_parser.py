"""Identifiers become queries: levels, unique keys, what is returned and what is not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from pacs.attributes import BY_KEYWORD, LEVELS, Level
from pacs.errors import InvalidQuery
from pacs.search.parser import DATE_TIME, FUZZY, MAX_KEYS, RELATIONAL, TIME_ZONE, RawKey, Scope, parse_query
from pacs.search.query import DateTimeRange, Empty, OneOf, Query, Range

STUDY_ROOT = LEVELS[1:]


def keys(**values: str | Sequence[Mapping[int, str]]) -> list[RawKey]:
    return [(BY_KEYWORD[keyword].tag, value) for keyword, value in values.items()]


def keywords(query: Query) -> tuple[list[str], list[str]]:
    return [c.attribute.keyword for c in query.conditions], [a.keyword for a in query.include]


def test_conditions_and_what_to_return() -> None:
    query = parse_query(
        Scope(Level.STUDY, STUDY_ROOT), keys(PatientName="S*", StudyDate="20240101-", StudyTime="")
    )
    assert keywords(query) == (
        ["PatientName", "StudyDate"],
        ["StudyInstanceUID", "PatientName", "StudyDate", "StudyTime"],
    )


def test_what_describes_the_query_is_no_key() -> None:
    described = [
        (0x00080005, "ISO_IR 100"),
        (0x00080000, "12"),
        (0x00080052, "STUDY"),
        (0x00080054, ""),
        (0x00080056, ""),
    ]
    query = parse_query(Scope(Level.STUDY, STUDY_ROOT), described)
    assert (query.conditions, query.unsupported) == ((), ())


def test_unknown_and_lower_keys_are_unsupported() -> None:
    query = parse_query(
        Scope(Level.STUDY, STUDY_ROOT), [(0x00091001, "x"), *keys(Modality="CT", PatientSex="")]
    )
    assert query.unsupported == (0x00091001, BY_KEYWORD["Modality"].tag)
    assert query.conditions == ()


def test_a_relational_query_is_matched_at_every_level_of_its_model() -> None:
    given = keys(PatientID="1", SeriesDate="20240101", SeriesTime="10-", InstanceNumber="", Rows="5")
    tags = {a: BY_KEYWORD[a].tag for a in ("SeriesDate", "SeriesTime", "InstanceNumber", "Rows")}
    relational = frozenset({RELATIONAL, DATE_TIME})
    query = parse_query(Scope(Level.STUDY, STUDY_ROOT, relational), given)
    assert keywords(query) == (["PatientID", "SeriesDate", "Rows"], ["StudyInstanceUID", "PatientID"])
    assert query.unsupported == (tags["InstanceNumber"],)
    without_series = parse_query(Scope(Level.STUDY, LEVELS[:2], relational), given)
    assert keywords(without_series) == (["PatientID"], ["PatientID", "StudyInstanceUID"])
    assert without_series.unsupported == tuple(tags.values())


@pytest.mark.parametrize(
    ("scope", "given"),
    [
        (Scope(Level.STUDY), keys(StudyDate="")),
        (Scope(Level.STUDY), keys(PatientID="A*")),
        (Scope(Level.SERIES, STUDY_ROOT), keys(StudyInstanceUID="")),
        (Scope(Level.SERIES, STUDY_ROOT), keys(StudyInstanceUID="1.2\\1.3")),
        (Scope(Level.IMAGE, STUDY_ROOT), keys(StudyInstanceUID="1.2")),
        (Scope(Level.PATIENT, STUDY_ROOT), keys()),
        (Scope(Level.SERIES, LEVELS[:2]), keys(PatientID="1", StudyInstanceUID="1.2")),
        (Scope(Level.STUDY, STUDY_ROOT), keys(PatientName=[{}])),
        (Scope(Level.STUDY, STUDY_ROOT), [(0x00090000 + n + 0x10, "") for n in range(MAX_KEYS + 1)]),
    ],
)
def test_refused(scope: Scope, given: list[RawKey]) -> None:
    with pytest.raises(InvalidQuery):
        parse_query(scope, given)


@pytest.mark.parametrize(
    ("scope", "given"),
    [
        (Scope(Level.PATIENT), keys(PatientID="")),
        (Scope(Level.STUDY), keys(PatientID="1")),
        (Scope(Level.STUDY, STUDY_ROOT), keys(PatientID="A*")),
        (Scope(Level.IMAGE, STUDY_ROOT), keys(StudyInstanceUID="1.2", SeriesInstanceUID="1.3")),
        (Scope(Level.IMAGE, STUDY_ROOT, frozenset({RELATIONAL})), keys(PatientName="S*")),
    ],
)
def test_accepted(scope: Scope, given: list[RawKey]) -> None:
    assert parse_query(scope, given).level is scope.level


def test_a_date_and_its_time_are_one_range_when_agreed() -> None:
    given = keys(StudyDate="20240101-20240103", StudyTime="10-1130")
    apart = parse_query(Scope(Level.STUDY, STUDY_ROOT), given)
    assert [type(c.test) for c in apart.conditions] == [Range, Range]
    joined = parse_query(Scope(Level.STUDY, STUDY_ROOT, frozenset({DATE_TIME})), given)
    (condition,) = joined.conditions
    assert condition.test == DateTimeRange(
        BY_KEYWORD["StudyTime"], ("20240101", "100000.000000"), ("20240103", "113059.999999")
    )


def test_a_range_of_days_is_joined_with_a_range_of_times_only() -> None:
    scope = Scope(Level.STUDY, STUDY_ROOT, frozenset({DATE_TIME}))
    for given in (keys(StudyDate="20240101-"), keys(StudyTime="10-11")):
        assert [type(c.test) for c in parse_query(scope, given).conditions] == [Range]
    for given in (keys(StudyDate="20240101-", StudyTime='""'), keys(StudyDate='""', StudyTime="10-11")):
        assert {type(c.test) for c in parse_query(scope, given).conditions} == {Range, Empty}


def test_open_ends_of_a_joined_range() -> None:
    scope = Scope(Level.STUDY, STUDY_ROOT, frozenset({DATE_TIME}))
    (condition,) = parse_query(scope, keys(StudyDate="20240101-", StudyTime="-1130")).conditions
    assert condition.test == DateTimeRange(BY_KEYWORD["StudyTime"], ("20240101", "000000.000000"), None)


def test_the_time_zone_of_a_query_is_no_condition() -> None:
    given = keys(TimezoneOffsetFromUTC="+0200", AcquisitionDateTime="2024010100")
    given += keys(StudyInstanceUID="1.2", SeriesInstanceUID="1.3")
    query = parse_query(Scope(Level.IMAGE, STUDY_ROOT, frozenset({TIME_ZONE})), given)
    assert query.conditions[0].test == Range("20231231220000.000000", "20231231225959.999999")
    assert [c.attribute.keyword for c in query.conditions] == [
        "AcquisitionDateTime",
        "StudyInstanceUID",
        "SeriesInstanceUID",
    ]
    with pytest.raises(InvalidQuery):
        parse_query(
            Scope(Level.STUDY, STUDY_ROOT, frozenset({TIME_ZONE})), keys(TimezoneOffsetFromUTC="late")
        )


def test_sequences() -> None:
    query = parse_query(
        Scope(Level.STUDY, STUDY_ROOT, frozenset({FUZZY})),
        keys(ProcedureCodeSequence=[{0x00080100: "T1"}], IssuerOfAccessionNumberSequence=""),
    )
    assert keywords(query)[0] == ["ProcedureCodeSequence"]
    assert "IssuerOfAccessionNumberSequence" in keywords(query)[1]


def test_unique_keys_come_back_unasked() -> None:
    query = parse_query(Scope(Level.SERIES, STUDY_ROOT), keys(StudyInstanceUID="1.2"))
    assert keywords(query) == (["StudyInstanceUID"], ["StudyInstanceUID", "SeriesInstanceUID"])
    assert query.conditions[0].test == OneOf(("1.2",))
