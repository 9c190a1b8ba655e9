"""A page takes few statements: counted where they arrive, so that none is overlooked."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from sqlalchemy import text

from pacs.actor import DEFAULT_ORGANIZATION
from pacs.attributes import BY_KEYWORD, LEVELS, TABLE, Level
from pacs.search.parser import DATE_TIME, FUZZY, RELATIONAL, Scope, parse_query
from pacs.search.query import Query
from storage.database import Database
from storage.search import pages as search
from storage.search import tuning
from tests.storage import bulk
from tests.storage.statements import sent

STUDIES = 3_000
MOST = 5


def ask(level: Level = Level.STUDY, limit: int = 101, offset: int = 0, **keys: Any) -> Query:
    given = [(BY_KEYWORD[keyword].tag, value) for keyword, value in keys.items()]
    query = parse_query(Scope(level, LEVELS[1:], frozenset({RELATIONAL, FUZZY, DATE_TIME})), given)
    include = tuple(attribute for attribute in TABLE if attribute.level.depth <= level.depth)
    return replace(query, include=include, limit=limit, offset=offset)


SERIES, IMAGE = Level.SERIES, Level.IMAGE
BY_NAME = ((BY_KEYWORD["PatientName"], False),)
QUERIES: dict[str, tuple[Query, int]] = {
    "no key": (ask(), 2),
    "no key, further on": (ask(offset=200), 2),
    "a common name": (ask(PatientName="*ros*"), 5),
    "a common name, further on": (ask(PatientName="*ros*", offset=100), 5),
    "a rare name": (ask(PatientName="*kenbu*"), 4),
    "nobody": (ask(PatientName="*qzx*"), 4),
    "two letters": (ask(PatientName="*qz*"), 3),
    "fuzzy": (ask(PatientName="Meier"), 5),
    "a range of days": (ask(StudyDate="20050101-20101231"), 5),
    "a day": (ask(StudyDate="20050101"), 5),
    "a range in time": (ask(StudyDate="20050101-20101231", StudyTime="10-12"), 5),
    "a modality": (ask(ModalitiesInStudy="CT"), 5),
    "every filter of a viewer": (
        ask(PatientName="*s*", PatientID="*1*", AccessionNumber="*0*", StudyDate="20050101-20301231"),
        5,
    ),
    "a Patient ID": (ask(PatientID="PID0000007"), 3),
    "a UID": (ask(StudyInstanceUID="1.2.7"), 3),
    "a list of UIDs": (ask(StudyInstanceUID="\\".join(f"1.2.{n}" for n in range(1, 1_001))), 3),
    "without an index": (ask(AdmissionID="X"), 5),
    "by what lies below": (ask(Modality="XA"), 3),
    "another order": (replace(ask(PatientName="*s*"), order=BY_NAME), 4),
    "another order, two keys": (replace(ask(PatientName="*ros*", AdmissionID="X"), order=BY_NAME), 5),
    "all series": (ask(SERIES), 2),
    "the series of a study": (ask(SERIES, StudyInstanceUID="1.2.7"), 3),
    "series of a name": (ask(SERIES, PatientName="*ros*"), 4),
    "all instances": (ask(IMAGE), 2),
    "the instances of a study": (ask(IMAGE, StudyInstanceUID="1.2.7"), 3),
    "the instances of a series": (ask(IMAGE, StudyInstanceUID="1.2.7", SeriesInstanceUID="1.3.7"), 3),
}

MARGINS = {"in vain": (0.0, 200), "with cause": (tuning.MARGIN, tuning.REACH), "none": (1e9, tuning.REACH)}


@pytest.fixture(scope="module")
def filled(module_database: Database) -> Database:
    with module_database.write() as connection:
        bulk.enter(connection, list(bulk.studies(range(STUDIES))))
        connection.execute(text("ANALYZE"))
    return module_database


@pytest.mark.parametrize("case", QUERIES)
@pytest.mark.parametrize(("margin", "reach"), MARGINS.values(), ids=MARGINS)
def test_a_page_with_its_count(
    filled: Database, monkeypatch: pytest.MonkeyPatch, case: str, margin: float, reach: int
) -> None:
    """Whether or not the page is sought among the newest, and wherever that ends."""
    monkeypatch.setattr(tuning, "MARGIN", margin)
    monkeypatch.setattr(tuning, "REACH", reach)
    monkeypatch.setattr(tuning, "FEWEST", 100)  # among so few, nothing is common otherwise
    query, most = QUERIES[case]
    assert most <= MOST
    with sent(filled) as statements:
        search.page(filled, DEFAULT_ORGANIZATION, query)
    assert 1 <= len(statements()) <= most, statements()


@pytest.mark.parametrize("case", QUERIES)
def test_each_page_of_a_whole_search(filled: Database, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.setattr(tuning, "FIRST_PAGE", 10)
    monkeypatch.setattr(tuning, "NEXT_PAGES", 20)
    query = replace(QUERIES[case][0], limit=None, offset=0)
    with sent(filled) as statements:
        answers = search.find(filled, DEFAULT_ORGANIZATION, query)
        for size in (10, 20, 20):
            before = len(statements())
            found = list(islice(answers, size))
            assert len(statements()) - before <= MOST, statements()
            if len(found) < size:
                break


def test_a_search_that_takes_too_long_is_ended_by_the_database_itself(filled: Database) -> None:
    if filled.dialect == "postgresql":
        with filled.search() as connection:
            assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "10s"


def test_a_page_and_its_count_are_of_one_moment(database: Database) -> None:
    everything = text("SELECT count(*) FROM studies")
    with database.search() as connection:
        before = connection.execute(everything).scalar_one()
        with database.write() as other:
            bulk.enter(other, list(bulk.studies(range(2))))
        assert connection.execute(everything).scalar_one() == before
    with database.search() as connection:
        assert connection.execute(everything).scalar_one() == before + 2
