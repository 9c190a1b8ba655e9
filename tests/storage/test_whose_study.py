"""Different people who were sent with one Patient ID: each study says whose it is as its own objects do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from pacs.actor import DEFAULT_ORGANIZATION, Actor
from pacs.attributes import BY_KEYWORD, LEVELS, Level
from pacs.model import Values
from pacs.namesakes import SHARED_ID
from pacs.search.parser import DATE_TIME, FUZZY, RELATIONAL, Scope, parse_query
from pacs.study_management import Expected, Priority
from storage.database import Database
from storage.migrations import downgrade, upgrade
from storage.search import pages as search
from storage.study_management.studies import SqlStudyManagement
from storage.upkeep.whose import ask_objects
from tests.storage.received import received, uid
from tests.storage.world import actions, events, opened, rows, store

USER = Actor(1, "user", "someone", "", "")
JANE: dict[str, Any] = {
    "PatientName": "Doe^Jane=山田^花子",
    "PatientBirthDate": "19700101",
    "PatientSex": "F",
}
OTTO: dict[str, Any] = {"PatientName": "Meier^Otto", "PatientBirthDate": "19551231", "PatientSex": "M"}
SAID = ("PatientName", "PatientBirthDate", "PatientSex")


@pytest.fixture
def shared(database: Database) -> Database:
    with opened(database) as entries:
        store(entries, received(1, PatientID="1", **JANE))
        store(entries, received(2, PatientID="1", **OTTO))
    return database


def found(database: Database, level: Level = Level.STUDY, **keys: Any) -> list[Values]:
    given = [(BY_KEYWORD[keyword].tag, value) for keyword, value in keys.items()]
    query = parse_query(Scope(level, options=frozenset({RELATIONAL, FUZZY, DATE_TIME})), given)
    include = [BY_KEYWORD[keyword] for keyword in ("PatientID", *SAID)]
    if level is not Level.PATIENT:
        include.append(BY_KEYWORD["StudyInstanceUID"])
    answers = search.page(database, 1, replace(query, include=tuple(include), limit=10))
    assert answers.total == len(answers.answers) == search.count(database, 1, query)
    return answers.answers


def studies(database: Database, level: Level = Level.STUDY, **keys: Any) -> list[str]:
    return sorted(values["StudyInstanceUID"] for values in found(database, level, **keys))


@pytest.mark.parametrize("level", [Level.STUDY, Level.SERIES, Level.IMAGE])
def test_each_study_is_answered_with_its_own_patient(shared: Database, level: Level) -> None:
    (one,) = found(shared, level, StudyInstanceUID=uid(1))
    (two,) = found(shared, level, StudyInstanceUID=uid(2))
    assert {key: one[key] for key in SAID} == JANE
    assert {key: two[key] for key in SAID} == OTTO
    assert one["PatientID"] == two["PatientID"] == "1"


@pytest.mark.parametrize("level", [Level.STUDY, Level.SERIES, Level.IMAGE])
@pytest.mark.parametrize(
    ("keys", "number"),
    [
        ({"PatientName": "Meier^Otto"}, 2),
        ({"PatientName": "*oe^*"}, 1),
        ({"PatientName": "*eie*"}, 2),
        ({"PatientName": "*ei*"}, 2),
        ({"PatientName": "*山*"}, 1),
        ({"PatientName": "Maier"}, 2),  # by its sound
        ({"PatientBirthDate": "19551231"}, 2),
        ({"PatientBirthDate": "19600101-"}, 1),
        ({"PatientSex": "M"}, 2),
        ({"PatientID": "1", "PatientName": "doe*"}, 1),
    ],
)
def test_each_study_is_found_by_its_own_patient(
    shared: Database, level: Level, keys: dict[str, str], number: int
) -> None:
    assert studies(shared, level, **keys) == [uid(number)]


def test_day_and_time_of_birth_are_those_of_one_person(database: Database) -> None:
    with opened(database) as entries:
        store(entries, received(1, PatientID="1", PatientBirthTime="080000", **JANE))
        store(entries, received(2, PatientID="1", PatientBirthTime="200000", **JANE))
    evening = {"PatientBirthDate": "19700101-19700101", "PatientBirthTime": "19-21"}
    assert studies(database, Level.STUDY, **evening) == [uid(2)]


def test_patient_level_says_what_the_first_object_said(shared: Database) -> None:
    (patient,) = found(shared, Level.PATIENT)
    assert {key: patient[key] for key in SAID} == JANE
    assert not found(shared, Level.PATIENT, PatientName="Meier*")


def flags(database: Database) -> list[str]:
    return [row["patient_flags"] for row in rows(database, "SELECT patient_flags FROM patients")]


def test_an_id_that_different_people_have_is_flagged(database: Database) -> None:
    with opened(database) as entries:
        store(entries, received(1, PatientID="1", **JANE))
        store(entries, received(2, PatientID="1", **{**JANE, "PatientName": "Doe^Jane^M"}))
        store(entries, received(3, PatientID="1", **{**JANE, "PatientName": "", "PatientBirthDate": ""}))
        assert flags(database) == [""]
        store(entries, received(4, PatientID="1", **OTTO))
    assert flags(database) == [SHARED_ID]


def test_later_objects_fill_in_what_a_study_does_not_say(shared: Database) -> None:
    with opened(shared) as entries:
        store(entries, received(3, PatientID="1", PatientName="Roe^Ann"))
        store(entries, received(3, 1, 2, PatientID="1", PatientName="Other", PatientSex="F"))
    (three,) = found(shared, StudyInstanceUID=uid(3))
    assert {key: three.get(key) for key in SAID} == {
        "PatientName": "Roe^Ann",
        "PatientBirthDate": None,
        "PatientSex": "F",
    }


@pytest.mark.parametrize("announced_id", ["", "1"])
def test_images_say_whose_an_announced_study_is(database: Database, announced_id: str) -> None:
    values = {"PatientName": "Mistyped", "PatientBirthDate": "19000101"}
    if announced_id:
        values["PatientID"] = announced_id
    SqlStudyManagement(database, timedelta(1)).expect(
        USER, Expected(uid(1), values, Priority.NORMAL, None, None)
    )
    with opened(database) as entries:
        store(entries, received(1, PatientID="1", PatientName="Doe^Jane"))
    (one,) = found(database)
    assert (one["PatientName"], one["PatientBirthDate"]) == ("Doe^Jane", "19000101")


def test_a_deletion_is_listed_with_the_name_of_its_study(shared: Database) -> None:
    management = SqlStudyManagement(shared, timedelta(1))
    assert management.delete(USER, uid(2), None, "test").patient_name == "Meier^Otto"
    assert management.delete(USER, uid(1), None, "test").patient_name == JANE["PatientName"]


def test_a_migrated_study_says_what_its_patients_row_says(shared: Database, database_url: str) -> None:
    downgrade(database_url, "0013")
    upgrade(database_url)
    assert studies(shared, PatientName="*oe*") == [uid(1), uid(2)]
    assert studies(shared, PatientName="*eie*") == []
    with shared.write() as connection:  # the index of letters follows
        connection.execute(text("UPDATE studies SET patient_name_key = '=roe==~roe/r/'"))
    assert studies(shared, PatientName="*roe*") == [uid(1), uid(2)]
    assert [row["patient_sex"] for row in rows(shared, "SELECT patient_sex FROM studies")] == ["F", "F"]


def forget(database: Database) -> None:
    """As if an earlier build had stored it."""
    columns = (
        "patient_name",
        "patient_name_key",
        "patient_birth_date",
        "patient_birth_date_key",
        "patient_sex",
    )
    said = ", ".join(f"{column} = patients.{column}" for column in columns)
    with database.write() as connection:
        connection.execute(
            text(f"UPDATE studies SET {said} FROM patients WHERE patients.pk = studies.patient_pk")
        )


def test_objects_are_asked_whose_an_old_study_is(shared: Database) -> None:
    with opened(shared) as entries:
        store(entries, received(2, 1, 2, PatientID="1", PatientName="Later"))
        store(entries, received(3, PatientID="1", PatientName="Roe^Ann"))
    held = {
        object_.identity.sop_instance_uid: object_.values
        for object_ in (
            received(1, PatientID="1", **JANE),
            received(2, PatientID="1", **OTTO),
            received(3, PatientID="1", PatientName="Roe^Ann"),
        )
    }
    before = rows(shared, "SELECT * FROM studies ORDER BY pk")
    read = lambda instance: held.get(instance.identity.sop_instance_uid)  # noqa: E731
    assert ask_objects(shared, read) == 0
    with shared.write() as connection:
        connection.execute(text("UPDATE patients SET patient_flags = ''"))
    forget(shared)
    assert studies(shared, PatientName="*doe*") == [uid(1), uid(2), uid(3)]
    assert ask_objects(shared, read) == 2
    after = rows(shared, "SELECT * FROM studies ORDER BY pk")
    assert [row.pop("version") for row in after] == [
        row.pop("version") + more for row, more in zip(before, (0, 1, 1), strict=True)
    ]
    assert after == before
    assert studies(shared, PatientName="*eie*") == [uid(2)]
    assert flags(shared) == [SHARED_ID]
    assert events(shared).count("study.updated") == actions(shared).count("study.update") == 2


def test_what_cannot_be_read_or_names_another_id_changes_nothing(shared: Database) -> None:
    other = received(1, PatientID="2", **OTTO).values
    before = rows(shared, "SELECT * FROM studies ORDER BY pk")
    assert ask_objects(shared, lambda _: None) == ask_objects(shared, lambda _: other) == 0
    assert rows(shared, "SELECT * FROM studies ORDER BY pk") == before


def test_what_later_objects_filled_in_stays(database: Database) -> None:
    first = received(1, PatientID="1")
    with opened(database) as entries:
        store(entries, first)
        store(entries, received(1, 1, 2, PatientID="1", PatientSex="F"))
    assert ask_objects(database, lambda _: first.values) == 0


def test_another_organisation_finds_none(shared: Database) -> None:
    query = parse_query(Scope(Level.STUDY, LEVELS[1:]), [(BY_KEYWORD["PatientName"].tag, "*e*")])
    assert search.count(shared, DEFAULT_ORGANIZATION, query) == 2
    assert search.count(shared, DEFAULT_ORGANIZATION + 1, query) == 0
