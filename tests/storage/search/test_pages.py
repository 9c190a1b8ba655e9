"""Pages, levels, organisations, counts; and that what is rare is never searched for row by row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from pacs.actor import DEFAULT_ORGANIZATION
from pacs.attributes import BY_KEYWORD, LEVELS, Level
from pacs.search.parser import DATE_TIME, FUZZY, RELATIONAL, Scope, parse_query
from pacs.search.query import Query
from storage.database import Database
from storage.search import pages as search
from storage.search import tuning
from tests.storage import bulk
from tests.storage.bulk import Entity

STUDIES = 20_000
EVERY = frozenset({RELATIONAL, FUZZY, DATE_TIME})


def ask(level: Level = Level.STUDY, options: frozenset[str] = frozenset({RELATIONAL}), **keys: Any) -> Query:
    sent = [(BY_KEYWORD[keyword].tag, value) for keyword, value in keys.items()]
    return parse_query(Scope(level, LEVELS, options), sent)


def uids(database: Database, query: Query) -> list[str]:
    return [values["StudyInstanceUID"] for values in search.find(database, DEFAULT_ORGANIZATION, query)]


@pytest.fixture(scope="module")
def filled(module_database: Database) -> Database:
    """Twenty thousand studies, some of them rare (`bulk.studies`)."""
    with module_database.write() as connection:
        bulk.enter(connection, list(bulk.studies(range(STUDIES))))
        connection.execute(text("ANALYZE"))
    return module_database


class Watched:
    """What a database was asked, and how it meant to answer."""

    def __init__(self, database: Database) -> None:
        self.statements = 0
        self.plans: list[str] = []
        self._explain = "EXPLAIN QUERY PLAN " if database.dialect == "sqlite" else "EXPLAIN "

    def __call__(self, connection: Connection, cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.startswith("EXPLAIN"):
            return
        self.statements += 1
        rows = connection.exec_driver_sql(self._explain + statement, values)
        self.plans.append("\n".join(str(row[-1]) for row in rows) + "\n")


@pytest.fixture
def watched(filled: Database) -> Iterator[Watched]:
    watching = Watched(filled)
    engine = filled._searcher
    event.listen(engine, "before_cursor_execute", watching)
    yield watching
    event.remove(engine, "before_cursor_execute", watching)


RARE: dict[str, tuple[Query, int]] = {
    "name, infix": (ask(PatientName="*kenbu*"), 8),
    "name, two letters": (ask(PatientName="*ke*nb*"), 8),
    "name, prefix": (ask(PatientName="Quack*"), 8),
    "name, nobody": (ask(PatientName="*qqq*"), 0),
    "name, fuzzy": (ask(PatientName="Kuakenbusch*", options=EVERY), 8),
    "name, exact": (ask(PatientName="Rossi0^Maria"), 2),
    "Patient ID": (ask(PatientID="PID0000007"), 2),
    "Patient ID, prefix": (ask(PatientID="PID000000*"), 18),
    "Patient ID, suffix": (ask(PatientID="*0000"), 2),
    "Accession Number": (ask(AccessionNumber="A000000042"), 1),
    "Accession Number, infix": (ask(AccessionNumber="*01234?"), 10),
    "Study Description": (ask(StudyDescription="*pankrea*"), 4),
    "Modality": (ask(ModalitiesInStudy="XA"), 4),
    "Modality or another": (ask(ModalitiesInStudy="XA\\ZZ"), 4),
    "Study Instance UID": (ask(StudyInstanceUID="1.2.77"), 1),
    "list of UID": (ask(StudyInstanceUID="\\".join(f"1.2.{n}" for n in range(1, 1001))), 1000),
    "series below": (ask(SeriesInstanceUID="1.3.77"), 1),
    "modality below": (ask(Modality="XA"), 4),
    "day": (ask(StudyDate="20050101"), 48),
    "rare in a common range": (ask(StudyDate="2005.01.01-", PatientName="*kenbu*"), 8),
    "common and rare": (ask(PatientName="*ro*", StudyDescription="*pankrea*"), 0),
}


@pytest.mark.parametrize("case", RARE)
def test_the_rare_is_looked_up(filled: Database, watched: Watched, case: str) -> None:
    query, count = RARE[case]
    assert len(uids(filled, query)) == count
    _assert_indexed(watched)


COMMON: dict[str, Query] = {
    "everything": ask(),
    "name": ask(PatientName="*ross*"),
    "name, one letter": ask(PatientName="r*"),
    "name, fuzzy": ask(PatientName="rosi*", options=EVERY),
    "modality": ask(ModalitiesInStudy="CT"),
    "range": ask(StudyDate="20100101-"),
    "date and time": ask(StudyDate="20100101-20110101", StudyTime="10-12", options=EVERY),
}


@pytest.mark.parametrize("case", COMMON)
def test_the_common_is_met_in_order(filled: Database, watched: Watched, case: str) -> None:
    answers = search.find(filled, DEFAULT_ORGANIZATION, COMMON[case])
    assert len([next(answers) for _ in range(tuning.FIRST_PAGE)]) == tuning.FIRST_PAGE
    assert watched.statements <= 5
    assert next(answers)
    _assert_indexed(watched)


def _assert_indexed(watched: Watched) -> None:
    for plan in watched.plans:
        for table in ("patients", "studies", "series", "instances"):
            assert f"SCAN {table}\n" not in plan, plan
            assert f"Seq Scan on {table}" not in plan, plan
        deep = re.search(r"^ {3,}-> +(Incremental )?Sort", plan, re.MULTILINE)
        assert not deep, f"a planner told to avoid sorting no longer sees what the rest costs\n{plan}"
        assert "TEMP B-TREE" not in plan or "IN" in plan or "LIST" in plan, plan


@pytest.mark.parametrize("case", ["everything", "range"])
def test_a_page_is_read_in_the_order_of_its_index(filled: Database, watched: Watched, case: str) -> None:
    next(search.find(filled, DEFAULT_ORGANIZATION, COMMON[case]))
    assert "ix_studies_newest_first" in watched.plans[-1]
    assert "TEMP B-TREE" not in watched.plans[-1] and "Sort" not in watched.plans[-1]


def test_rows_are_not_read_to_be_skipped(filled: Database, watched: Watched) -> None:
    query = Query(Level.STUDY, (), ask(PatientName="", StudyDescription="").include, limit=10, offset=5_000)
    found = search.page(filled, DEFAULT_ORGANIZATION, query)
    assert len(found.answers) == 10
    plan = watched.plans[0]
    assert (
        "COVERING INDEX ix_studies_newest" in plan
        or "Index Only Scan Backward using ix_studies_newest" in plan
    )


@pytest.mark.parametrize("level", LEVELS)
def test_a_page_further_on_follows_the_first(database: Database, level: Level) -> None:
    images = [
        Entity(Level.IMAGE, n, n, {"SOPInstanceUID": f"1.4.{n}", "InstanceNumber": str(n)})
        for n in range(1, 31)
    ]
    with database.write() as connection:
        bulk.enter(connection, [*bulk.studies(range(30)), *images])
    query = ask(level, PatientName="", PatientID="")
    every = list(search.find(database, DEFAULT_ORGANIZATION, query))
    for offset in (0, 4, 14, 40):
        part = Query(query.level, (), query.include, limit=7, offset=offset)
        found = search.page(database, DEFAULT_ORGANIZATION, part)
        assert (found.answers, found.total) == (every[offset : offset + 7], len(every))


def test_every_answer_once_and_newest_first(filled: Database) -> None:
    answers = list(search.find(filled, DEFAULT_ORGANIZATION, ask(StudyDate="", StudyTime="")))
    assert len({values["StudyInstanceUID"] for values in answers}) == STUDIES
    moments = [(values["StudyDate"], values["StudyTime"]) for values in answers]
    assert moments == sorted(moments, reverse=True)


def test_counting_needs_no_answers(filled: Database) -> None:
    assert search.count(filled, DEFAULT_ORGANIZATION, ask()) == STUDIES
    assert search.count(filled, DEFAULT_ORGANIZATION, ask(PatientName="*kenbu*")) == 8
    assert search.count(filled, DEFAULT_ORGANIZATION, ask(Level.PATIENT)) == STUDIES // 2


def test_limit_and_offset(filled: Database) -> None:
    query = ask(PatientName="*ross*")
    every = uids(filled, query)
    part = Query(query.level, query.conditions, query.include, limit=700, offset=50)
    assert uids(filled, part) == every[50:750]
    assert uids(filled, Query(query.level, query.conditions, query.include, limit=0)) == []


@pytest.mark.parametrize("descending", [(False,), (True,), (False, True)])
def test_another_order(filled: Database, descending: tuple[bool, ...]) -> None:
    asked = ("ModalitiesInStudy", "StudyDescription")
    order = tuple((BY_KEYWORD[k], down) for k, down in zip(asked, descending, strict=False))
    query = ask(AccessionNumber="*012*", ModalitiesInStudy="", StudyDescription="")
    found = list(search.find(filled, 1, Query(query.level, query.conditions, query.include, order=order)))
    assert len(found) > tuning.FIRST_PAGE
    for keyword, down in reversed(list(zip(asked, descending, strict=False))):
        found.sort(key=lambda values: values[keyword].lower(), reverse=down)
    again = list(search.find(filled, 1, Query(query.level, query.conditions, query.include, order=order)))
    assert [v["StudyDescription"] for v in found] == [v["StudyDescription"] for v in again]


def test_answers_hold_what_was_asked_for(filled: Database) -> None:
    keys = ("PatientName", "PatientID", "NumberOfStudyRelatedSeries", "StudyDescription", "StudyTime")
    asked: dict[str, Any] = {"StudyInstanceUID": "1.2.15", **dict.fromkeys(keys, "")}
    (answer,) = search.find(filled, DEFAULT_ORGANIZATION, ask(**asked))
    assert answer == {
        "StudyInstanceUID": "1.2.15",
        "PatientID": "PID0000008",
        "PatientName": "Jensen0^Eva",
        "StudyTime": "141414",
        "StudyDescription": "CT 14",
        "NumberOfStudyRelatedSeries": 0,
    }


def test_other_organisations_are_not_seen(database: Database) -> None:
    named = {
        "PatientName": "Smith^John",
        "PatientID": "1",
        "StudyInstanceUID": "1.2",
        "StudyDate": "20240101",
    }
    with database.write() as connection:
        bulk.add_organization(connection, 2)
        bulk.enter(
            connection,
            [
                Entity(Level.PATIENT, 1, 0, named, organization=2),
                Entity(Level.STUDY, 1, 1, named, organization=2),
                Entity(Level.SERIES, 1, 1, {"SeriesInstanceUID": "1.3", "Modality": "CT"}, organization=2),
            ],
        )
    asked = [
        ask(),
        ask(StudyInstanceUID="1.2"),
        ask(PatientName="*mith*"),
        ask(PatientID="1"),
        ask(StudyDate="20240101"),
        ask(Level.PATIENT),
        ask(Level.SERIES),
        ask(Level.SERIES, StudyInstanceUID="1.2"),
        ask(Level.SERIES, Modality="CT"),
    ]
    for query in asked:
        assert list(search.find(database, 1, query)) == []
        assert search.count(database, 1, query) == 0
        assert len(list(search.find(database, 2, query))) == 1


def test_letters_follow_their_rows(database: Database) -> None:
    with database.write() as connection:
        bulk.enter(connection, [Entity(Level.PATIENT, 1, 0, {"PatientName": "Smith^John", "PatientID": "1"})])
    by_old, by_new = ask(Level.PATIENT, PatientName="*mith*"), ask(Level.PATIENT, PatientName="*ones*")
    change = "UPDATE patients SET patient_name_key = '=jones^john==~jones~john/ans/an/' WHERE pk = 1"
    with database.write() as connection:
        connection.execute(text(change))
    assert (search.count(database, 1, by_old), search.count(database, 1, by_new)) == (0, 1)
    with database.write() as connection:
        connection.execute(text("DELETE FROM patients"))
    assert (search.count(database, 1, by_old), search.count(database, 1, by_new)) == (0, 0)


def test_what_comes_in_meanwhile_neither_repeats_nor_hides_answers(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "FIRST_PAGE", 10)
    with database.write() as connection:
        bulk.enter(connection, list(bulk.studies(range(40))))
    answers = search.find(database, 1, ask())
    before = [next(answers)["StudyInstanceUID"] for _ in range(5)]
    with database.write() as connection:
        bulk.enter(connection, list(bulk.studies(range(40, 60))))
    seen = before + [values["StudyInstanceUID"] for values in answers]
    assert len(seen) == len(set(seen))
    assert {f"1.2.{n}" for n in range(1, 41)} <= set(seen)


@pytest.mark.parametrize("kept", ["\tA1", "A1\r\n", "A\x011", "\x1fA1\x85", "A1"])
def test_an_identifier_with_control_characters_is_found(database: Database, kept: str) -> None:
    with database.write() as connection:
        bulk.enter(
            connection,
            [
                Entity(Level.PATIENT, 1, 0, {"PatientID": kept}),
                Entity(Level.STUDY, 1, 1, {"StudyInstanceUID": "1.2", "AccessionNumber": kept}),
            ],
        )
    for sent in (kept, f" {kept} ", "*A*1*", *(["A1\r\n"] if kept == "A1" else [])):
        assert uids(database, ask(PatientID=sent)) == ["1.2"], sent
        assert uids(database, ask(AccessionNumber=sent)) == ["1.2"], sent
        assert search.count(database, 1, ask(PatientID=sent, AccessionNumber=sent)) == 1
