"""Expecting, amending and deleting studies: counts stay true, bytes stay as long as they should."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Executable

from pacs.actor import Actor
from pacs.errors import Conflict, IllegalTransition, NotFound
from pacs.jobs.job import ClaimedJob
from pacs.study_management import Amendment, Expected, Priority
from pacs.study_states import State
from storage import retrieval
from storage.database import Database
from storage.feeds import RetryTransaction
from storage.jobs.queue import SqlJobQueue
from storage.locked_rows import lock_or_insert
from storage.prepared import SqlVersions
from storage.statements import run
from storage.study_management import deleting, studies
from storage.study_management.studies import SqlStudyManagement
from storage.tables import TABLES
from tests.storage.received import received, uid
from tests.storage.world import actions, assert_counts_true, events, opened, rows, store

USER = Actor(1, "user", "admin@example.org", "127.0.0.1", "abc")
STRANGER = Actor(2, "user", "somebody@example.org", "127.0.0.1", "abc")
EVERYTHING = [table.name for table in TABLES.values()]


@pytest.fixture
def management(database: Database) -> SqlStudyManagement:
    return SqlStudyManagement(database)


def fill(database: Database) -> None:
    with opened(database) as entries:
        for series in (1, 2):
            for instance in (1, 2, 3):
                modality = "CT" if series == 1 else "PR"
                sop_class = f"1.2.840.10008.5.1.4.1.1.{series}"
                store(entries, received(1, series, instance, Modality=modality, sop_class=sop_class))
        store(entries, received(1, 1, 1, content="another version"))
        store(entries, received(2, 1, 1, PatientID="P1"))


def count(database: Database, table: str) -> int:
    return int(rows(database, f"SELECT count(*) AS n FROM {table}")[0]["n"])


def study(database: Database, number: int = 1) -> dict[str, object]:
    return rows(database, f"SELECT * FROM studies WHERE study_instance_uid = '{uid(number)}'")[0]


def test_a_deleted_study_leaves_nothing_but_its_bytes(
    database: Database, management: SqlStudyManagement
) -> None:
    fill(database)
    deletion = management.delete(USER, uid(1), None, "wrong patient")
    assert deletion.instances == 6
    assert [count(database, table) for table in EVERYTHING] == [1, 1, 1, 1]
    assert not list(retrieval.retrieve(database, 1, uid(1), None, None))
    assert count(database, "kept_blobs") == 7
    assert_counts_true(database)
    assert events(database)[-1] == "study.deleted" and actions(database)[-1] == "study.delete"
    assert [row["reason"] for row in rows(database, "SELECT reason FROM deletions")] == ["wrong patient"]


def test_the_last_study_takes_its_patient_along(database: Database, management: SqlStudyManagement) -> None:
    fill(database)
    for number in (1, 2):
        management.delete(USER, uid(number), None, "test")
    assert [count(database, table) for table in EVERYTHING] == [0, 0, 0, 0]
    assert count(database, "sequence_values") == 0


def test_deleting_images_one_by_one(database: Database, management: SqlStudyManagement) -> None:
    fill(database)
    management.delete(USER, uid(1), uid(1, 1, 1), "blurred")
    assert study(database)["number_of_study_related_instances"] == 5
    assert_counts_true(database)
    for instance in (1, 2, 3):
        management.delete(USER, uid(1), uid(1, 2, instance), "blurred")
        assert_counts_true(database)
    left = study(database)
    assert (left["modalities_in_study"], left["number_of_study_related_series"]) == ("CT", 1)
    assert left["sop_classes_in_study"] == "1.2.840.10008.5.1.4.1.1.1"
    for instance in (2, 3):
        management.delete(USER, uid(1), uid(1, 1, instance), "blurred")
    assert count(database, "studies") == 1
    assert_counts_true(database)
    assert events(database).count("instance.deleted") == 6


@pytest.mark.parametrize(
    ("actor", "number", "sop"), [(USER, 3, None), (USER, 1, uid(2, 1, 1)), (STRANGER, 1, None)]
)
def test_what_is_not_there_cannot_be_deleted(
    database: Database, management: SqlStudyManagement, actor: Actor, number: int, sop: str | None
) -> None:
    fill(database)
    with pytest.raises(NotFound):
        management.delete(actor, uid(number), sop, "test")
    assert count(database, "instances") == 7 and count(database, "deletions") == 0


def test_of_two_modalities_in_one_attribute_each_is_left_once(
    database: Database, management: SqlStudyManagement
) -> None:
    with opened(database) as entries:
        store(entries, received(1, 1, 1, Modality="CT"))
        for instance in (1, 2):
            store(entries, received(1, 2, instance, Modality="MR\\CT"))
    management.delete(USER, uid(1), uid(1, 2, 1), "blurred")
    assert study(database)["modalities_in_study"] == "CT\\MR"
    assert_counts_true(database)


def test_of_two_who_delete_at_once_one_is_late(database: Database, management: SqlStudyManagement) -> None:
    fill(database)
    start = threading.Barrier(4)

    def attempt(_: int) -> bool:
        start.wait()
        try:
            management.delete(USER, uid(1), None, "test")
        except NotFound:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(attempt, range(4))) == [False, False, False, True]
    assert_counts_true(database)


def test_what_was_deleted_can_be_sent_again(database: Database, management: SqlStudyManagement) -> None:
    fill(database)
    management.delete(USER, uid(1), None, "test")
    with opened(database) as entries:
        store(entries, received(1, 1, 1))
    assert study(database)["number_of_study_related_instances"] == 1
    assert_counts_true(database)
    management.delete(USER, uid(1), None, "again")
    assert_counts_true(database)


def test_deleting_while_instances_come(database: Database, management: SqlStudyManagement) -> None:
    """Nobody waits in a circle, nothing is miscounted."""
    with opened(database) as entries:

        def send(number: int) -> None:
            for instance in range(15):
                store(entries, received(1, number, instance, PatientID=f"P{number}"))

        def remove() -> None:
            for _ in range(20):
                try:
                    management.delete(USER, uid(1), None, "test")
                except NotFound:
                    continue

        with ThreadPoolExecutor(5) as pool:
            for done in [*(pool.submit(send, n) for n in range(3)), *(pool.submit(remove) for _ in range(2))]:
                done.result(timeout=240)
    assert_counts_true(database)


def job(**payload: str) -> ClaimedJob:
    return ClaimedJob(1, 1, deleting.PURGE, payload, 1, 12, "token", "abc")


def test_preparing_metadata_and_deleting_do_not_wait_in_a_circle(
    database: Database, management: SqlStudyManagement, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database)
    newest = "SELECT instance_pk AS pk, max(n) AS n FROM versions GROUP BY instance_pk"
    keys = [(row["pk"], row["n"]) for row in rows(database, newest)]  # the first of them came last
    begun = threading.Event()

    def slowly(connection: Connection, statement: Executable, many: list[dict[str, object]]) -> None:
        for row in many:
            run(connection, statement, [row])
            begun.set()
            time.sleep(0.1)

    monkeypatch.setattr("storage.prepared.run", slowly)
    with ThreadPoolExecutor(2) as pool:
        preparing = pool.submit(SqlVersions(database).keep, 1, dict.fromkeys(keys, b"text"))
        assert begun.wait(60)
        deletion = pool.submit(management.delete, USER, uid(1), None, "wrong patient")
        preparing.result(120)
        assert deletion.result(120).instances == 6
    assert count(database, "prepared_metadata") == 1  # of the other study


def test_bytes_are_given_up_when_the_time_is_over(database: Database) -> None:
    fill(database)
    deletion = SqlStudyManagement(database, timedelta(0)).delete(USER, uid(1), None, "test")
    claimed = SqlJobQueue(database).claim("worker", timedelta(minutes=1))
    while claimed is not None and claimed.kind != deleting.PURGE:
        claimed = SqlJobQueue(database).claim("worker", timedelta(minutes=1))
    assert claimed is not None and claimed.payload == {"deletion": deletion.id}
    purge = deleting.PurgeDeletion(database)
    for _ in range(2):  # a job may run twice
        purge(claimed)
    assert count(database, "kept_blobs") == 0
    idle = rows(database, "SELECT * FROM blobs WHERE unreferenced_since IS NOT NULL")
    assert len(idle) == 7 and {row["refcount"] for row in idle} == {0}
    assert "deletion.purge" in actions(database)
    assert_counts_true(database)


def expect(management: SqlStudyManagement, number: int = 1, **values: str) -> None:
    management.expect(USER, Expected(uid(number), values, Priority.URGENT, "fell off a horse"))


def test_images_fill_an_expected_study(database: Database, management: SqlStudyManagement) -> None:
    expect(management, PatientName="Doe^Jane", StudyDescription="Thorax")
    assert study(database)["state"] == "expected"
    assert actions(database) == ["study.create"]
    with pytest.raises(Conflict):
        expect(management)
    with opened(database) as entries:
        store(entries, received(7, PatientID="P1"))
        store(entries, received(1))
    found = study(database)
    assert (found["state"], found["priority"], found["clinical_notes"], found["flags"]) == (
        "receiving",
        "urgent",
        "fell off a horse",
        "",
    )
    assert found["study_description"] == "Thorax" and found["study_date"] == "20240131"
    assert [row["patient_id"] for row in rows(database, "SELECT patient_id FROM patients")] == ["P1"]
    assert_counts_true(database)
    assert events(database)[:1] == ["study.expected"]


def test_others_may_interfere_with_an_announcement(
    database: Database, management: SqlStudyManagement, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By inserting the patient first and deleting it again."""
    interferences = [1, 2]

    def interfered(*given: Any) -> Any:
        if interferences:
            interferences.pop()
            raise RetryTransaction
        return lock_or_insert(*given)

    monkeypatch.setattr(studies, "lock_or_insert", interfered)
    expect(management)
    assert study(database)["state"] == "expected"
    assert events(database) == ["study.expected"]


def test_an_expected_study_begins_with_its_first_image(
    database: Database, management: SqlStudyManagement
) -> None:
    expect(management)
    expected = study(database)["first_received_at"]
    with opened(database) as entries:
        store(entries, received(1))
        came = study(database)
        store(entries, received(1, 1, 2))
    assert came["first_received_at"] == came["last_received_at"] != expected
    assert study(database)["first_received_at"] == came["first_received_at"]


def test_images_of_another_patient_than_expected_are_flagged(
    database: Database, management: SqlStudyManagement
) -> None:
    expect(management, PatientID="P9")
    with opened(database) as entries:
        store(entries, received(1))
    assert study(database)["flags"] == "patient_conflict"
    assert_counts_true(database)


def test_an_expected_study_can_be_deleted(database: Database, management: SqlStudyManagement) -> None:
    expect(management)
    assert management.delete(USER, uid(1), None, "cancelled").instances == 0
    assert [count(database, table) for table in EVERYTHING] == [0, 0, 0, 0]


def test_amending(database: Database, management: SqlStudyManagement) -> None:
    expect(management, PatientID="P1")
    management.amend(USER, uid(1), Amendment(Priority.STAT, values={"StudyDescription": "Abdomen"}))
    found = study(database)
    assert (found["priority"], found["study_description"], found["study_description_key"]) == (
        "stat",
        "Abdomen",
        "abdomen",
    )
    with opened(database) as entries:
        store(entries, received(1))
    with pytest.raises(Conflict):
        management.amend(USER, uid(1), Amendment(values={"StudyDescription": "Head"}))
    with pytest.raises(IllegalTransition):
        management.amend(USER, uid(1), Amendment(state=State.FINAL))
    management.amend(USER, uid(1), Amendment(clinical_notes="cough", state=State.UNREAD))
    assert (study(database)["clinical_notes"], study(database)["state"]) == ("cough", "unread")
    with pytest.raises(NotFound):
        management.amend(STRANGER, uid(1), Amendment(Priority.LOW))
    assert actions(database).count("study.update") == 2
