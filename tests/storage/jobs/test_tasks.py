"""Tasks and what they keep: the sweep spares it until it is given up."""

from __future__ import annotations

import base64
import tarfile
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from sqlalchemy import text

from pacs.actor import Actor
from pacs.errors import BlobVanishing
from pacs.jobs.job import Interrupted, JobState
from pacs.jobs.tasks import MAX_FAILURES, UPLOAD, Failure, Progress, Status, Upload
from pacs.jobs.uploading import StoreUpload
from pacs.jobs.worker import Worker
from pacs.model import Blob
from pacs.uploaded_file import Member, UploadedFile
from storage.blobs import BlobStore, SpoolLimits, open_blobs
from storage.database import Database
from storage.jobs.listing import SqlJobs
from storage.jobs.queue import SqlJobQueue
from storage.jobs.tasks import SqlTasks
from tests.pacs.dicom.files import BUNDLED
from tests.storage.received import digest
from tests.storage.shelf import LATER, Shelf, shelf_of
from tests.storage.world import assert_counts_true, events, rows

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAADklEQVR4nGM8wcDEwAAAA/oAzIAKlEUAAAAASUVORK5CYII="
)
USER = Actor(1, "user", "nurse@example.org", "127.0.0.1", "abc")


@pytest.fixture
def shelf(database: Database, blobs: BlobStore) -> Iterator[Shelf]:
    with shelf_of(database, blobs) as made:
        yield made


def test_what_a_task_keeps_is_spared_until_it_is_released(shelf: Shelf) -> None:
    tasks = SqlTasks(shelf.database, shelf.blobs.missing)
    twice, once = shelf.publish(b"an archive"), shelf.publish(b"another")
    task = tasks.upload(USER, None, [Upload(twice, "a.zip", 5), Upload(once, "b"), Upload(twice, "c.zip", 5)])
    assert (task.total, task.status, task.progress) == (11, Status.PENDING, 0)
    assert_counts_true(shelf.database)
    shelf.sweep(LATER).run()
    assert shelf.blobs.missing([twice, once]) == []
    assert [each.name for each in tasks.uploads(task)] == ["a.zip", "b", "c.zip"]
    tasks.release(task)
    assert_counts_true(shelf.database)
    shelf.sweep(LATER).run()
    assert shelf.blobs.missing([twice, once]) == [twice, once]


def test_a_file_that_was_swept_before_its_task_was_written_down(database: Database) -> None:
    gone = Blob(digest("gone"), 4)
    tasks = SqlTasks(database, list)
    with pytest.raises(BlobVanishing):
        tasks.upload(USER, None, [Upload(gone, "late")])
    assert tasks.page(1, 10, 0) == ([], 0)


def tasks_of(database: Database) -> SqlTasks:
    return SqlTasks(database, lambda _: [])


def test_progress_is_added_up_and_told(database: Database) -> None:
    tasks = tasks_of(database)
    task = tasks.upload(USER, "1.2.3", [Upload(Blob(digest("x"), 1), "x", 400)])
    for _ in range(3):
        failures = [Failure("f", "BAD_REQUEST", "no") for _ in range(100)]
        task = tasks.report(task, Progress(processed=10, failed=100, skipped=3, failures=failures))
    found = tasks.get(1, task.id)
    assert found is not None and (found.processed, found.failed, found.skipped) == (30, 300, 9)
    assert len(found.failures) == MAX_FAILURES
    assert (found.status, found.progress) == (Status.RUNNING, 84)
    tasks.finish(task, Status.COMPLETED, "")
    found = tasks.get(1, task.id)
    assert found is not None and (found.status, found.progress) == (Status.COMPLETED, 100)
    assert events(database) == ["task.progress"] * 4
    assert tasks.get(2, task.id) is None and tasks.page(2, 10, 0) == ([], 0)


def test_many_are_listed_and_not_counted(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = tasks_of(database)
    for name in ("x", "y"):
        tasks.upload(USER, None, [Upload(Blob(digest(name), 1), name, 400)])
    for most, total in ((1, None), (2, 2)):
        monkeypatch.setattr("storage.counting.COUNTED", most)
        found, told = tasks.page(1, 10, 0)
        assert (len(found), told) == (2, total)


def test_of_two_workers_one_goes_on(database: Database) -> None:
    """One was frozen for longer than its lease. Their items, added up, made the next worker skip some that
    nobody had stored, and release the file that they were in."""
    tasks = tasks_of(database)
    frozen = tasks.upload(USER, None, [Upload(Blob(digest("x"), 1), "x", 9)])
    frozen = tasks.report(frozen, Progress(processed=2))
    other = tasks.get(1, frozen.id)
    assert other is not None
    other = tasks.report(other, Progress(skipped=1))
    with pytest.raises(Interrupted):
        tasks.report(frozen, Progress(processed=1))
    assert tasks.report(other, Progress(failed=1)).done == 4


def test_an_upload_whose_worker_ends_is_left_where_it_is(shelf: Shelf) -> None:
    """It held up the end of the server until it was killed; after so many such ends it was given up."""
    tasks, queue = SqlTasks(shelf.database, shelf.blobs.missing), SqlJobQueue(shelf.database)
    packed = BytesIO()
    with ZipFile(packed, "w") as archive:
        for name in ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm"):
            archive.write(BUNDLED / "test_files" / name, name)
    task = tasks.upload(USER, None, [Upload(shelf.publish(packed.getvalue()), "a.zip", 3)])
    for before, ending in ((0, iter([False, True]).__next__), (1, iter([False, False, True]).__next__)):
        assert Worker(queue, {UPLOAD: StoreUpload(shelf.archive, tasks, ending)}, "worker").work()
        (job,) = rows(shelf.database, "SELECT state, attempt FROM jobs WHERE kind = 'upload'")
        assert job == {"state": "waiting", "attempt": 0}
        found = tasks.get(1, task.id)
        assert found is not None and (found.status, found.done) == (Status.RUNNING, before + 1)
    assert Worker(queue, {UPLOAD: StoreUpload(shelf.archive, tasks)}, "worker").work()
    found = tasks.get(1, task.id)
    assert found is not None and (found.status, found.processed) == (Status.COMPLETED, 3)
    assert len(rows(shelf.database, "SELECT n FROM versions")) == 3


def test_a_task_whose_worker_died_of_it_has_failed(database: Database) -> None:
    tasks, queue = tasks_of(database), SqlJobQueue(database)
    task = tasks.upload(USER, None, [Upload(Blob(digest("x"), 1), "x")])
    job = queue.claim("worker", timedelta(minutes=1))
    assert job is not None and job.payload == {"task": task.id}
    queue.fail(job, "its workers died of it")
    found = tasks.get(1, task.id)
    assert found is not None and found.status is Status.FAILED and found.message


def test_an_upload_that_had_all_its_tries_is_taken_in_when_it_is_tried_again(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks, queue = SqlTasks(shelf.database, shelf.blobs.missing), SqlJobQueue(shelf.database)
    archive = shelf.archive
    file = (BUNDLED / "test_files" / "CT_small.dcm").read_bytes()
    task = tasks.upload(USER, None, [Upload(shelf.publish(file), "CT_small.dcm")])
    worker = Worker(queue, {UPLOAD: StoreUpload(archive, tasks)}, "worker")
    with monkeypatch.context() as patched:
        patched.setattr("pacs.jobs.job.FIRST_DELAY", timedelta(0))
        patched.setattr(UploadedFile, "members", _broken)
        while worker.work():
            pass
    failed = tasks.get(1, task.id)
    assert failed is not None and failed.status is Status.FAILED
    jobs = SqlJobs(shelf.database)
    ((job,), _) = jobs.page(1, JobState.FAILED, 10, 0)
    assert jobs.retry(USER, job.id)
    assert worker.work()
    done = tasks.get(1, task.id)
    assert done is not None and (done.status, done.processed) == (Status.COMPLETED, 1)
    assert rows(shelf.database, "SELECT number_of_study_related_instances AS n FROM studies") == [{"n": 1}]


def test_a_picture_taken_in_twice_is_one_object(shelf: Shelf) -> None:
    """The second time its study is known, from the first."""
    tasks, queue = SqlTasks(shelf.database, shelf.blobs.missing), SqlJobQueue(shelf.database)
    archive = shelf.archive
    handler = StoreUpload(archive, tasks)
    said = {"PatientID": "P1", "PatientName": "Müller^Anna=安娜", "AccessionNumber": "A1"}
    task = tasks.upload(USER, None, [Upload(shelf.publish(PNG), "hand.png")], said)
    job = queue.claim("cut off", timedelta(minutes=1))
    assert job is not None
    (kept,) = rows(shelf.database, "SELECT blob FROM kept_blobs")
    handler(job)
    with shelf.database.write() as connection:  # as if it had been cut off before it could tell
        connection.execute(text("UPDATE tasks SET status = 'running', processed_items = 0"))
        blob = {"owner": task.id, **kept}
        row = "INSERT INTO kept_blobs (owner, position, org_id, blob, name) VALUES (:owner, 0, 1, :blob, '')"
        connection.execute(text(row), blob)
        connection.execute(text("UPDATE blobs SET refcount = 1 WHERE address = :blob"), blob)
    handler(job)
    done = tasks.get(1, task.id)
    assert done is not None and (done.status, done.processed) == (Status.COMPLETED, 1)
    assert len(rows(shelf.database, "SELECT n FROM versions")) == 1
    (patient,) = rows(shelf.database, "SELECT patient_name FROM patients")
    assert patient == {"patient_name": said["PatientName"]}


def test_names_of_members_are_told_as_far_as_they_can_be(database: Database, tmp_path: Path) -> None:
    """Those of a tar archive are bytes of any number."""
    blobs = open_blobs(None, tmp_path / "blobs", None, SpoolLimits(reserve=0))
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w", errors="surrogateescape") as archive:
        for name in ("\udcff\udcfe.dcm", "long" * 10_000):
            broken = bytes(128) + b"DICM" + b"no data set at all"
            member = tarfile.TarInfo(name)
            member.size = len(broken)
            archive.addfile(member, BytesIO(broken))
    with shelf_of(database, blobs) as shelf:
        tasks = SqlTasks(database, blobs.missing)
        taking = shelf.archive
        task = tasks.upload(USER, None, [Upload(shelf.publish(packed.getvalue()), "a.tar", 2)])
        assert Worker(SqlJobQueue(database), {UPLOAD: StoreUpload(taking, tasks)}, "worker").work()
    blobs.close()
    done = tasks.get(1, task.id)
    assert done is not None and (done.status, done.failed) == (Status.COMPLETED, 2)
    odd, long = (failure.name for failure in done.failures)
    assert odd == "a.tar/??.dcm" and long.startswith("a.tar/longlong") and len(long) < 300


def _broken(packed: UploadedFile) -> Iterator[Member]:
    raise RuntimeError
