"""To DICOM, a study that was announced and has no image, perhaps never will, is not there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pacs.actor import Actor
from pacs.attributes import BY_KEYWORD, LEVELS, Level
from pacs.search.parser import RELATIONAL, Scope, parse_query
from pacs.search.query import Query
from pacs.study_management import Amendment, Expected
from pacs.study_states import State
from storage.database import Database
from storage.search import pages as search
from storage.study_management.studies import SqlStudyManagement
from storage.upkeep.counts import miscounts
from storage.upkeep.tallies import mistallied
from tests.storage.received import received, uid
from tests.storage.world import opened, store

USER = Actor(1, "user", "admin@example.org", "127.0.0.1", "abc")


@pytest.fixture(params=["expected", "cancelled"])
def awaiting(request: pytest.FixtureRequest, database: Database) -> Database:
    """Two patients with a study each; the first, whose study has two series, is to come again, or was."""
    with opened(database) as entries:
        for series in (1, 2):
            store(entries, received(1, series, 1, PatientID="A", StudyDescription="CHEST"))
        store(entries, received(3, 1, 1, PatientID="B", StudyDescription="HEAD"))
    announced = Expected(uid(2), {"PatientID": "A", "StudyDescription": "KNEE", "Modality": "CT"})
    management = SqlStudyManagement(database)
    management.expect(USER, announced)
    management.amend(USER, uid(3), Amendment(state=State.CANCELLED))  # with its images, which stay
    if request.param == "cancelled":
        management.amend(USER, uid(2), Amendment(state=State.CANCELLED))
    return database


def ask(level: Level, **keys: str) -> Query:
    sent = [(BY_KEYWORD[keyword].tag, value) for keyword, value in keys.items()]
    return parse_query(Scope(level, LEVELS, frozenset({RELATIONAL})), sent)


@pytest.mark.parametrize("level", [Level.PATIENT, Level.STUDY])
@pytest.mark.parametrize(("description", "matches"), [("CHEST", 1), ("KNEE", 0), ("*E*", 2)])
def test_nothing_is_found_by_it(awaiting: Database, level: Level, description: str, matches: int) -> None:
    query = ask(level, StudyDescription=description)
    assert len(list(search.find(awaiting, 1, query))) == matches
    assert search.count(awaiting, 1, query) == matches
    assert search.page(awaiting, 1, replace(query, limit=5)).total == matches


@pytest.mark.parametrize(("level", "total"), [(Level.PATIENT, 2), (Level.STUDY, 2), (Level.SERIES, 3)])
def test_each_level_counts_its_own_without_it(awaiting: Database, level: Level, total: int) -> None:
    assert search.page(awaiting, 1, Query(level, limit=1)).total == total


def test_its_tally_is_kept(awaiting: Database) -> None:
    assert list(mistallied(awaiting)) == []
    with opened(awaiting) as entries:
        store(entries, received(2, 1, 1, PatientID="A", Modality="MR"))
    assert list(mistallied(awaiting)) == list(miscounts(awaiting)) == []
    assert search.page(awaiting, 1, Query(Level.STUDY, limit=9)).total == 3


def test_its_counts_are_true(awaiting: Database) -> None:
    """Of what it was announced as, too, which no series of its own says."""
    assert list(miscounts(awaiting)) == []


@pytest.mark.parametrize(("keys", "total"), [({}, 2), ({"PatientID": "C"}, 0), ({"PatientID": "?"}, 2)])
def test_a_patient_of_whom_nothing_has_come_is_not_there(
    awaiting: Database, keys: dict[str, str], total: int
) -> None:
    """Nor has any study that a study search would find."""
    management = SqlStudyManagement(awaiting)
    management.expect(USER, Expected(uid(4), {"PatientID": "C", "Modality": "CT"}))
    query = ask(Level.PATIENT, **keys)
    assert len(list(search.find(awaiting, 1, query))) == total
    assert search.count(awaiting, 1, query) == total
    assert search.page(awaiting, 1, replace(query, limit=1)).total == total
    everybody = replace(query, expected=True, limit=1)
    assert search.page(awaiting, 1, everybody).total == total + 1, "users are shown who is expected"
    with opened(awaiting) as entries:
        store(entries, received(4, 1, 1, PatientID="C"))
    assert len(list(search.find(awaiting, 1, query))) == total + 1
