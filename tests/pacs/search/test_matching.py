"""The keys under which stored values are found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.attributes import BY_KEYWORD, TABLE
from pacs.search.matching import MAX_GROUPS, MAX_KEY, MAX_WORDS, name_key, normalize


@pytest.mark.parametrize(
    ("keyword", "text", "key"),
    [
        ("PatientID", "Ab_%\\1", "Ab_%\\1"),
        ("StudyDescription", " Schädel  nativ ", "schadel nativ"),
        ("AdmittingDiagnosesDescription", "Grün\\BLAU", "grun\\blau"),
        ("PatientComments", "a\\B", "a\\b"),
        ("StudyDate", "20240101", "20240101"),
        ("StudyDate", "2024.01.01", "20240101"),
        ("StudyDate", "20240101\\20240102", "20240101"),
        ("StudyDate", "yesterday", None),
        ("StudyTime", "10", "100000.000000"),
        ("AcquisitionDateTime", "20240101120000+0100", "20240101110000.000000"),
        ("InstanceNumber", " +012 ", 12),
        ("InstanceNumber", "12.0", 12),
        ("InstanceNumber", "-3\\4", -3),
        ("InstanceNumber", "12.5", None),
        ("InstanceNumber", "A", None),
        ("StudyDescription", "", None),
    ],
)
def test_keys(keyword: str, text: str, key: str | int | None) -> None:
    assert normalize(BY_KEYWORD[keyword], text) == key


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Smith^John^^", "=smith^john==~smith~john/smt/an/"),
        ("Yamada^Tarou=山田^太郎", "=yamada^tarou=山田^太郎==~yamada~tarou~山田~太郎/amt/tr/"),
        ("=山田", "=山田==~山田/"),
        ("Иванов", "=иванов==~ivanov/afnf/"),
        ("A^B\\C^D=A^B", "=a^b=c^d==~a~b~c~d/a/p/k/t/"),
        ("^^==", None),
    ],
)
def test_names(name: str, key: str | None) -> None:
    assert name_key(name) == key


@given(st.text())
def test_no_text_breaks_a_key(text: str) -> None:
    for attribute in TABLE:
        normalize(attribute, text)


@given(st.text(min_size=300))
def test_keys_of_names_and_texts_fit_an_index(text: str) -> None:
    name = name_key(text * 3)
    assert name is None or len(name) <= MAX_GROUPS + MAX_WORDS * 2
    described = normalize(BY_KEYWORD["StudyDescription"], text * 3)
    assert described is None or len(str(described)) <= MAX_KEY
