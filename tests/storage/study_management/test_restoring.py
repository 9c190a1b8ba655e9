"""What was deleted comes back as it was, or is given up for good; never something between."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from pacs.actor import Actor
from pacs.dicom.part10 import read_part10
from pacs.dicom.source import BytesSource
from pacs.errors import Conflict, Damaged, NotFound
from pacs.jobs.job import ClaimedJob, JobState
from pacs.jobs.restoring import Restore
from pacs.jobs.tasks import RESTORE, Status, Task
from pacs.jobs.worker import Worker
from pacs.study_management import Amendment, Expected, Priority
from storage.blobs import BlobStore
from storage.database import Database
from storage.jobs.listing import SqlJobs
from storage.jobs.queue import SqlJobQueue
from storage.jobs.settle import KIND as SETTLE
from storage.jobs.tasks import SqlTasks
from storage.study_management.deleting import PURGE, PurgeDeletion
from storage.study_management.studies import SqlStudyManagement
from tests.storage.shelf import LATER, Shelf, shelf_of
from tests.storage.world import actions, assert_counts_true, rows

USER = Actor(1, "user", "admin@example.org", "127.0.0.1", "abc")
STRANGER = Actor(2, "user", "somebody@example.org", "127.0.0.1", "abc")
STUDY = "1.2.3"
HELD = """SELECT i.sop_instance_uid, v.n, v.blob, i.current_version FROM versions v
          JOIN instances i ON i.pk = v.instance_pk ORDER BY 1, 2"""


class World:
    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.database = shelf.database
        self.archive = shelf.archive
        self.tasks = SqlTasks(shelf.database, shelf.blobs.missing)
        self.management = SqlStudyManagement(shelf.database)
        handlers: dict[str, Callable[[ClaimedJob], None]] = {
            RESTORE: Restore(self.archive, self.tasks, self.management),
            PURGE: PurgeDeletion(shelf.database),
            SETTLE: lambda job: None,
        }
        self.worker = Worker(SqlJobQueue(shelf.database), handlers, "worker")

    def store(self, number: int, content: str = "") -> None:
        self.archive.store_file(USER, [instance(number, content)])

    def held(self) -> list[dict[str, Any]]:
        return rows(self.database, HELD)

    def work(self) -> None:
        while self.worker.work():
            pass

    def restored(self, number: str) -> Task:
        task = self.management.restore(USER, number)
        self.work()
        found = self.tasks.get(1, task.id)
        assert found is not None
        return found


def instance(number: int, content: str) -> bytes:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", f"{STUDY}.1.{number}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = STUDY, f"{STUDY}.1"
    ds.PatientID, ds.PatientName, ds.Modality, ds.ImageComments = "P", "Doe^Jane", "OT", content
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    written = io.BytesIO()
    dcmwrite(written, ds, enforce_file_format=True)
    return written.getvalue()


@pytest.fixture
def world(database: Database, blobs: BlobStore) -> Iterator[World]:
    with shelf_of(database, blobs) as shelf:
        made = World(shelf)
        for number in (1, 2, 3):
            made.store(number)
        made.store(2, "another version")
        yield made


def test_a_study_comes_back_with_all_versions_and_what_was_said_of_it(world: World) -> None:
    before = world.held()
    world.management.amend(USER, STUDY, Amendment(Priority.STAT, "fell", "HAND"))
    deletion = world.management.delete(USER, STUDY, None, "wrong patient")
    assert world.held() == []
    task = world.restored(deletion.id)
    assert (task.kind, task.status, task.processed, task.failed) == (RESTORE, Status.COMPLETED, 4, 0)
    assert world.held() == before
    (study,) = rows(world.database, "SELECT priority, clinical_notes, body_part FROM studies")
    assert study == {"priority": "stat", "clinical_notes": "fell", "body_part": "HAND"}
    assert_counts_true(world.database)
    assert rows(world.database, "SELECT * FROM kept_blobs") == []
    assert "deletion.restore" in actions(world.database)
    ((found,), total) = world.management.deletions(1, 10, 0)
    assert (found.id, found.restored_by, found.reason, total) == (deletion.id, task.id, "wrong patient", 1)


def test_what_was_said_is_back_before_the_task_is_complete(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.management.amend(USER, STUDY, Amendment(clinical_notes="fell"))
    deletion = world.management.delete(USER, STUDY, None, "wrong patient")
    finish, seen = SqlTasks.finish, list[Any]()

    def noting(tasks: SqlTasks, task: Task, status: Status, message: str) -> None:
        seen.extend(rows(world.database, "SELECT clinical_notes FROM studies"))
        finish(tasks, task, status, message)

    monkeypatch.setattr(SqlTasks, "finish", noting)
    world.restored(deletion.id)
    assert seen == [{"clinical_notes": "fell"}]


def test_an_image_comes_back_to_its_study(world: World) -> None:
    before = world.held()
    deletion = world.management.delete(USER, STUDY, f"{STUDY}.1.2", "blurred")
    assert world.restored(deletion.id).processed == 2
    assert world.held() == before
    assert_counts_true(world.database)


def test_asked_twice_it_is_one_task(world: World) -> None:
    deletion = world.management.delete(USER, STUDY, None, "test")
    first = world.management.restore(USER, deletion.id)
    assert world.management.restore(USER, deletion.id).id == first.id
    assert world.restored(deletion.id).id == first.id
    assert len(world.held()) == 4


def test_what_came_anew_meanwhile_stays(world: World) -> None:
    deletion = world.management.delete(USER, STUDY, None, "test")
    world.store(1, "sent again")
    world.management.amend(USER, STUDY, Amendment(priority=Priority.URGENT, clinical_notes="new words"))
    current = world.held()[0]["blob"]
    world.restored(deletion.id)
    first = [row for row in world.held() if row["sop_instance_uid"] == f"{STUDY}.1.1"]
    assert [row["blob"] for row in first if row["n"] == row["current_version"]] == [current]
    assert len(first) == 2
    (study,) = rows(world.database, "SELECT priority, clinical_notes FROM studies")
    assert study == {"priority": "urgent", "clinical_notes": "new words"}


def test_whose_it_was_is_known_until_its_bytes_are_given_up(world: World) -> None:
    deletion = world.management.delete(USER, STUDY, None, "test")
    found = world.management.deletion(1, deletion.id)
    assert found == deletion and found is not None
    assert (found.patient_id, found.patient_name, found.modalities_in_study) == ("P", "Doe^Jane", "OT")
    assert world.management.deletion(2, deletion.id) is None
    world.shelf.run("UPDATE deletions SET purge_at = deleted_at")
    world.shelf.run("UPDATE jobs SET run_at = 0 WHERE kind = :kind", kind=PURGE)
    world.work()
    purged = world.management.deletion(1, deletion.id)
    assert purged is not None and (purged.patient_name, purged.reason) == (None, "test")


def test_those_that_can_be_brought_back(world: World) -> None:
    first = world.management.delete(USER, STUDY, f"{STUDY}.1.1", "test")
    second = world.management.delete(USER, STUDY, f"{STUDY}.1.2", "test")
    world.management.restore(USER, first.id)

    def restorable() -> list[str]:
        found, total = world.management.deletions(1, 10, 0, restorable=True)
        assert len(found) == total and all(each.can_be_restored for each in found)
        return [each.id for each in found]

    assert restorable() == [second.id]
    world.shelf.run("UPDATE deletions SET purge_at = deleted_at")
    assert restorable() == []
    found, total = world.management.deletions(1, 10, 0)
    assert total == 2 and not any(each.can_be_restored for each in found)


def test_many_are_listed_and_not_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        world.management.delete(USER, STUDY, f"{STUDY}.1.{number}", "test")
    for most, total in ((1, None), (2, 2)):
        monkeypatch.setattr("storage.counting.COUNTED", most)
        for restorable in (False, True):
            found, told = world.management.deletions(1, 10, 0, restorable=restorable)
            assert (len(found), told) == (2, total)


def test_what_is_not_ones_own_cannot_be_brought_back(world: World) -> None:
    deletion = world.management.delete(USER, STUDY, None, "test")
    for actor, number in ((STRANGER, deletion.id), (USER, "nothing")):
        with pytest.raises(NotFound):
            world.management.restore(actor, number)
    assert world.management.deletions(2, 10, 0) == ([], 0)


def test_an_expected_study_has_nothing_to_bring_back(world: World) -> None:
    world.management.expect(USER, Expected("1.2.9", {}))
    deletion = world.management.delete(USER, "1.2.9", None, "test")
    with pytest.raises(Conflict):
        world.management.restore(USER, deletion.id)


def test_when_its_bytes_are_given_up_it_is_too_late(world: World) -> None:
    at_once = SqlStudyManagement(world.database, retention=timedelta(0))
    deletion = at_once.delete(USER, STUDY, None, "test")
    with pytest.raises(Conflict):
        world.management.restore(USER, deletion.id)
    world.work()
    assert rows(world.database, "SELECT * FROM kept_blobs") == []


def test_a_purge_that_comes_before_its_time_leaves_all(world: World) -> None:
    """Such as the first job of a deletion whose retention period began anew."""
    deletion = world.management.delete(USER, STUDY, None, "test")
    world.shelf.run("UPDATE jobs SET run_at = 0 WHERE kind = :kind", kind=PURGE)
    world.work()
    assert world.management.deletion(1, deletion.id) == deletion
    assert world.restored(deletion.id).processed == 4


def test_a_purge_that_comes_before_its_time_comes_again(world: World) -> None:
    """As when the clock is set back while it begins."""
    world.management.delete(USER, STUDY, None, "test")
    for purge_at in ("purge_at", "deleted_at"):
        world.shelf.run(f"UPDATE deletions SET purge_at = {purge_at}")
        world.shelf.run("UPDATE jobs SET run_at = 0 WHERE kind = :kind", kind=PURGE)
        world.work()
    assert rows(world.database, "SELECT * FROM kept_blobs") == []
    assert rows(world.database, "SELECT * FROM jobs WHERE kind = 'deletion.purge'") == []


def test_a_purge_that_comes_after_all_leaves_what_is_being_brought_back(world: World) -> None:
    deletion = world.management.delete(USER, STUDY, None, "test")
    task = world.management.restore(USER, deletion.id)
    world.shelf.run("UPDATE deletions SET purge_at = deleted_at")
    world.shelf.run("UPDATE jobs SET run_at = 0 WHERE kind = :kind", kind=PURGE)
    world.shelf.sweep(LATER).run()
    world.work()
    found = world.tasks.get(1, task.id)
    assert found is not None and (found.status, found.processed) == (Status.COMPLETED, 4)
    assert_counts_true(world.database)


@pytest.fixture
def unreadable(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Addresses whose disk fails for now, as one with a loose cable does."""
    bad, open_blob = set[str](), type(world.shelf.blobs).open

    def opened(blobs: BlobStore, address: str) -> Any:
        if address in bad:
            raise Damaged(f"{address}: Input/output error")
        return open_blob(blobs, address)

    monkeypatch.setattr(type(world.shelf.blobs), "open", opened)
    yield bad


def test_what_cannot_be_brought_back_now_can_be_later(world: World, unreadable: set[str]) -> None:
    before = world.held()
    deletion = world.management.delete(USER, STUDY, None, "test")
    unreadable.add(before[0]["blob"])
    task = world.restored(deletion.id)
    assert (task.status, task.processed, task.failed) == (Status.FAILED, 3, 1)
    world.shelf.sweep(LATER).run()
    unreadable.clear()
    found = world.management.deletion(1, deletion.id)
    assert found is not None and found.can_be_restored
    assert world.restored(deletion.id).status is Status.COMPLETED
    assert sorted(row["blob"] for row in world.held()) == sorted(row["blob"] for row in before)
    assert_counts_true(world.database)
    assert rows(world.database, "SELECT * FROM kept_blobs") == []


def test_what_could_not_be_brought_back_is_kept_for_another_retention_period(
    world: World, unreadable: set[str]
) -> None:
    deletion = world.management.delete(USER, STUDY, None, "test")
    unreadable.update(row["blob"] for row in rows(world.database, "SELECT blob FROM kept_blobs"))
    world.management.restore(USER, deletion.id)
    world.shelf.run("UPDATE deletions SET purge_at = deleted_at")
    world.shelf.run("UPDATE jobs SET run_at = created_at WHERE kind = :kind", kind=PURGE)
    world.work()
    found = world.management.deletion(1, deletion.id)
    assert found is not None and found.can_be_restored and found.patient_id == "P"
    unreadable.clear()
    assert world.restored(deletion.id).processed == 4


def test_a_restoration_whose_job_is_gone_begins_anew(world: World) -> None:
    before = world.held()
    deletion = world.management.delete(USER, STUDY, None, "test")
    first = world.management.restore(USER, deletion.id)
    assert SqlJobs(world.database).drop(USER, JobState.QUEUED) == 1
    task = world.restored(deletion.id)
    assert task.id != first.id and task.status is Status.COMPLETED
    assert world.held() == before


def test_an_instance_comes_back_whatever_else_it_looks_like(world: World) -> None:
    """Without a preamble, there is room for what archives are known by."""
    whole = instance(9, "x" * 400)
    bare = whole[read_part10(BytesSource(whole)).dataset_offset :]
    looks_like_tar = bare[:257] + b"ustar" + bare[262:]
    world.archive.store_file(USER, [looks_like_tar])
    before = world.held()
    deletion = world.management.delete(USER, STUDY, f"{STUDY}.1.9", "test")
    assert world.restored(deletion.id).status is Status.COMPLETED
    assert world.held() == before


def test_a_worker_that_froze_brings_back_nothing_that_was_deleted_since(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deletion = world.management.delete(USER, STUDY, None, "test")
    world.management.restore(USER, deletion.id)
    uploads = SqlTasks.uploads

    def frozen(tasks: SqlTasks, task: Task) -> Any:
        monkeypatch.setattr(SqlTasks, "uploads", uploads)
        found = tasks.uploads(task)
        world.shelf.run("UPDATE jobs SET lease_until = 0 WHERE state = 'running'")
        world.work()  # another worker does it
        assert len(world.held()) == 4
        world.management.delete(USER, STUDY, None, "test")
        an_hour_later = time.monotonic() + 3600
        monkeypatch.setattr("pacs.jobs.worker.time", SimpleNamespace(monotonic=lambda: an_hour_later))
        return found

    monkeypatch.setattr(SqlTasks, "uploads", frozen)
    assert world.worker.work()
    assert world.held() == []
