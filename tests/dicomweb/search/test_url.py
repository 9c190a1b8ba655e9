"""Whatever is typed after `?` is answered: found, refused, never a fault of ours."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from dicomweb.search.qido import PATHS
from dicomweb.search.url import MAX_PARAMETERS, parse_search
from pacs.attributes import BY_KEYWORD, TABLE, Level
from pacs.errors import InvalidQuery
from pacs.search.query import DateTimeRange, FuzzyName, OneOf, Range
from storage.database import Database
from tests.dicomweb.search.test_qido import WORLD
from tests.dicomweb.searching import searching


@pytest.fixture(scope="module")
def client(module_database: Database) -> Iterator[TestClient]:
    with searching(module_database, WORLD) as started:
        yield started


TEXT = st.text(max_size=20) | st.text(alphabet="*?=^\\-,.\"'%_:+0129 ~[]\x00\udcff/é山", max_size=12)
VALUE = TEXT | st.sampled_from(
    ["20240131", "20240101-", "-", "00000000", "1.2.1,1.2.3", '""', "*" * 40, "9" * 30, "20249999-20240101"]
)
NAME = (
    st.sampled_from([a.keyword for a in TABLE])
    | st.sampled_from([f"{a.tag:08x}" for a in TABLE])
    | st.sampled_from(
        ["includefield", "limit", "offset", "fuzzymatching", "00400275.00400009", "accept", "."]
    )
    | st.integers(0, 0xFFFFFFFF).map("{:08X}".format)
    | TEXT
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(PATHS)), st.lists(st.tuples(NAME, VALUE), max_size=4), st.booleans())
def test_no_query_string_is_a_fault_of_ours(
    client: TestClient, path: str, parameters: list[tuple[str, str]], fuzzy: bool
) -> None:
    path = path.format(StudyInstanceUID="1.2.1", SeriesInstanceUID="1.3.1").lstrip("/")
    switch = [("fuzzymatching", "true")] if fuzzy else []
    answer = client.get(f"{path}?{urlencode([*parameters, *switch], errors='replace')}")
    assert answer.status_code in (200, 204, 400, 406), answer.text


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_behind_the_question_mark_are_a_fault_of_ours(client: TestClient, query: bytes) -> None:
    assert client.get(f"studies?{quote(query, safe='&=%+')}").status_code in (200, 204, 400, 406)


@settings(max_examples=100, deadline=None)
@given(TEXT.filter(lambda text: text.strip("/.") and "/" not in text))
def test_no_path_is_a_fault_of_ours(client: TestClient, uid: str) -> None:
    path = quote(uid, safe="", errors="replace")
    assert client.get(f"studies/{path}/series/{path}/instances").status_code in (200, 400, 404)


def conditions(level: Level, *parameters: tuple[str, str]) -> dict[str, object]:
    query = parse_search(level, {}, parameters).query
    return {condition.attribute.keyword: condition.test for condition in query.conditions}


def test_date_and_time_become_one_range() -> None:
    found = conditions(Level.STUDY, ("StudyDate", "20240131-20240201"), ("00080030", "12-13"))
    assert found == {
        "StudyDate": DateTimeRange(
            BY_KEYWORD["StudyTime"], ("20240131", "120000.000000"), ("20240201", "135959.999999")
        )
    }


@pytest.mark.parametrize("zone", ["+0200", " 0200"])
def test_the_offset_shifts_moments_but_no_days(zone: str) -> None:
    given_values = (("TimezoneOffsetFromUTC", zone), ("AcquisitionDateTime", "2024013101"))
    assert conditions(Level.IMAGE, *given_values, ("StudyDate", "20240131")) == {
        "AcquisitionDateTime": Range("20240130230000.000000", "20240130235959.999999"),
        "StudyDate": Range("20240131", "20240131"),
    }


def test_an_offset_within_a_moment_may_have_lost_its_plus_sign() -> None:
    found = conditions(Level.IMAGE, ("AcquisitionDateTime", "20240131010000 0200"))
    assert found["AcquisitionDateTime"] == Range("20240130230000.000000", "20240130230000.999999")


@pytest.mark.parametrize(("value", "fuzzy"), [("true", True), ("TRUE", True), ("false", False), ("", False)])
def test_fuzzy_matching_is_by_request(value: str, fuzzy: bool) -> None:
    test = conditions(Level.STUDY, ("PatientName", "Doe"), ("fuzzymatching", value))["PatientName"]
    assert (FuzzyName(("doe",)) in getattr(test, "tests", ())) is fuzzy


def test_stars_around_what_takes_none_are_let_go() -> None:
    assert conditions(
        Level.SERIES, ("SeriesNumber", "*7*"), ("StudyInstanceUID", "*"), ("StudyDate", "*")
    ) == {"SeriesNumber": OneOf((7,))}


def test_the_number_of_parameters_is_bounded() -> None:
    with pytest.raises(InvalidQuery):
        parse_search(Level.STUDY, {}, [("_", "x")] * (MAX_PARAMETERS + 1))
