"""A page with its count: what it says, how few statements it takes, and when it is given up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from dimse.status import elements_of
from pacs.actor import DEFAULT_ORGANIZATION
from pacs.attributes import BY_KEYWORD, LEVELS, TABLE, Level
from pacs.errors import QueryTooCostly
from pacs.search.parser import DATE_TIME, FUZZY, RELATIONAL, Scope, parse_query
from pacs.search.query import Query, ResultPage
from storage.database import Database
from storage.search import pages as search
from storage.search import statement, time_limit, tuning
from storage.search.plan import candidates
from storage.search.selection import Search
from storage.tables import studies
from tests.storage import bulk

STUDIES = 3_000
MOST_STATEMENTS = 5
EVERYTHING = tuple(attribute for attribute in TABLE if attribute.level.depth <= Level.STUDY.depth)


def ask(limit: int = 101, offset: int = 0, **keys: Any) -> Query:
    sent = [(BY_KEYWORD[keyword].tag, value) for keyword, value in keys.items()]
    query = parse_query(Scope(Level.STUDY, LEVELS[1:], frozenset({RELATIONAL, FUZZY, DATE_TIME})), sent)
    return replace(query, include=EVERYTHING, limit=limit, offset=offset)


def page(database: Database, query: Query) -> ResultPage:
    return search.page(database, DEFAULT_ORGANIZATION, query)


def uids(found: ResultPage) -> list[str]:
    return [values["StudyInstanceUID"] for values in found.answers]


def fill(database: Database) -> Database:
    with database.write() as connection:
        bulk.enter(connection, list(bulk.studies(range(STUDIES))))
        connection.execute(text("ANALYZE"))
    return database


@pytest.fixture(scope="module")
def filled(module_database: Database) -> Database:
    return fill(module_database)


@pytest.fixture
def statements(filled: Database) -> Iterator[list[str]]:
    seen: list[str] = []

    def executed(connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
        if statement != "BEGIN":
            seen.append(statement)

    event.listen(filled._searcher, "before_cursor_execute", executed)
    yield seen
    event.remove(filled._searcher, "before_cursor_execute", executed)


QUERIES: dict[str, Query] = {
    "everything": ask(),
    "a long page": ask(limit=1_000),
    "a common name": ask(PatientName="*ros*"),
    "a name by its sound": ask(PatientName="Meier"),
    "a rare name": ask(PatientName="*kenbu*"),
    "every filter of a viewer": ask(
        PatientName="*s*", PatientID="*1*", AccessionNumber="*0*", StudyDate="20050101-20301231"
    ),
    "a page further on": ask(PatientName="*ros*", offset=50, limit=50),
    "beyond the last": ask(PatientName="*ros*", offset=1_000),
    "a UID": ask(StudyInstanceUID="1.2.7"),
    "nothing": ask(PatientName="*qzx*"),
    "without an index": ask(AdmissionID="X"),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_page_takes_few_statements_and_agrees_with_the_whole_search(
    filled: Database, statements: list[str], query: Query
) -> None:
    found = page(filled, query)
    assert len(statements) <= MOST_STATEMENTS, statements
    assert query.limit is not None
    every = search.find(filled, DEFAULT_ORGANIZATION, replace(query, limit=None, offset=0))
    expected = [values["StudyInstanceUID"] for values in every]
    end = query.offset + query.limit
    assert uids(found) == expected[query.offset : end]
    assert (found.total, found.more) == (len(expected), len(expected) > end)


def test_everything_is_tallied_not_counted(filled: Database, statements: list[str]) -> None:
    """However much there is: QIDO, the REST list, and each level."""
    every = ask()
    listed = replace(every, expected=True, order=((BY_KEYWORD["PatientName"], False),))
    for query, total in (
        (every, STUDIES),
        (replace(every, offset=STUDIES), STUDIES),
        (listed, STUDIES),
        (Query(Level.PATIENT, limit=5, expected=True), STUDIES // 2),
        (Query(Level.SERIES, limit=5), STUDIES),
        (Query(Level.IMAGE, limit=5), 0),
    ):
        statements.clear()
        assert page(filled, query).total == total
        assert not any("count(" in statement for statement in statements)


def test_only_what_lies_within_reach_is_counted(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "REACH", 1_000)
    monkeypatch.setattr(tuning, "FEWEST", 100)
    monkeypatch.setattr(tuning, "FEW", 100)
    for common in (ask(PatientName="*ros*"), ask(StudyTime="000000-235959")):
        found = page(filled, common)
        assert (len(found.answers), found.more, found.total) == (101, True, None)
    year = ask(limit=10, StudyDate="20050101-20051231")
    assert page(filled, year).total == STUDIES // 20
    assert page(filled, replace(year, offset=20)).total == STUDIES // 20
    assert page(filled, replace(year, offset=STUDIES)).total == STUDIES // 20
    assert page(filled, ask(PatientName="*kenbu*")).total == 2


def test_what_is_rare_without_an_index_is_collected(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "REACH", 200)
    monkeypatch.setattr(tuning, "SAMPLE", 1)
    moment, day = ask(limit=10, StudyTime="235959"), ask(limit=10, StudyTime="235959", StudyDate="20050101-")
    found = page(filled, moment)
    assert found.total == STUDIES // 120
    assert uids(found) == [uid for *_, uid in sorted(_placed(filled, moment), reverse=True)][:10]
    assert page(filled, day).total is None, "days bound the walk"


def test_in_another_order_what_is_common_is_counted_among_few_only(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_name = replace(ask(StudyTime="000000-115959"), order=((BY_KEYWORD["PatientName"], False),))
    half = sum(n % 24 < 12 for n in range(STUDIES))
    assert page(filled, by_name).total == half
    monkeypatch.setattr(tuning, "FEWEST", 100)
    monkeypatch.setattr(tuning, "FEW", 100)
    assert page(filled, by_name).total == half
    assert page(filled, replace(by_name, limit=STUDIES)).total == half
    monkeypatch.setattr(tuning, "COUNTED_AMONG", STUDIES - 1)
    assert page(filled, by_name).total is None
    assert page(filled, replace(by_name, limit=STUDIES)).total == half


MARGINS = ((0.0, 5_000), (0.0, 200), (1e9, 5_000), (1e9, 200))
"""Always or never, with everything or little within reach."""


@pytest.mark.parametrize(("margin", "reach"), MARGINS)
def test_sampling_does_not_change_the_answers(
    filled: Database, monkeypatch: pytest.MonkeyPatch, margin: float, reach: int
) -> None:
    monkeypatch.setattr(tuning, "MARGIN", margin)
    monkeypatch.setattr(tuning, "REACH", reach)
    for query in (
        ask(PatientName="*ros*"),
        ask(StudyDate="20060101-", PatientName="*ros*"),
        *QUERIES.values(),
    ):
        every = search.find(filled, DEFAULT_ORGANIZATION, replace(query, limit=None, offset=0))
        expected = sorted(_placed(filled, query), reverse=True)
        assert [values["StudyInstanceUID"] for values in every] == [uid for *_, uid in expected]
        assert query.limit is not None
        end = query.offset + query.limit
        assert uids(page(filled, query)) == [uid for *_, uid in expected[query.offset : end]]


def _placed(database: Database, query: Query) -> list[tuple[str, str, int, str]]:
    """Day, time, key and UID of every match, by a plan without a sample."""
    search = Search(DEFAULT_ORGANIZATION, replace(query, include=()), database.dialect)
    with database.read() as connection:
        search = replace(search, candidates=candidates(connection, search))
        selected = statement.page(search, STUDIES).add_columns(studies.c.study_instance_uid)
        rows = connection.execute(selected).all()
    return [(day, time, pk, uid) for day, time, pk, uid in rows]


def test_what_came_in_later_is_not_seen(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    filled = fill(database)
    first = page(filled, ask(limit=2))
    newest = {"StudyInstanceUID": "1.9", "StudyDate": "20991231"}
    with filled.write() as connection:
        bulk.enter(connection, [bulk.Entity(Level.STUDY, STUDIES + 1, 1, newest)])
    assert uids(page(filled, ask(limit=1))) == ["1.9"]
    until = replace(ask(limit=2), until=first.last)
    again = page(filled, until)
    assert (uids(again), again.total) == (uids(first), STUDIES)
    monkeypatch.setattr(tuning, "COUNTED_LATER", 0)
    assert page(filled, until).total is None, "as too many came in later"
    assert uids(page(filled, replace(until, limit=1, offset=1))) == uids(first)[1:]


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def test_a_search_that_takes_too_long_is_given_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_limit, "SEARCH_TIMEOUT", 0.05)
    for _ in range(2):
        with pytest.raises(QueryTooCostly), search._searching(database) as connection:
            if database.dialect == "postgresql":
                connection.execute(text("SET LOCAL statement_timeout = 50"))
            connection.execute(text(ENDLESS))
    monkeypatch.undo()
    assert page(database, ask()).answers == []


def test_dicom_peers_hear_of_it_too() -> None:
    assert elements_of(QueryTooCostly())["Status"] == 0xA700
