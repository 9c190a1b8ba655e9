"""Tasks and deletions that are over go after a while, with what they kept; what may be needed stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from pacs.actor import Actor
from pacs.jobs.job import ClaimedJob, JobState, ListedJob
from pacs.jobs.tasks import Progress, Status, Task, Upload
from storage import clock
from storage.blobs import BlobStore
from storage.database import Database
from storage.feeds import transaction
from storage.jobs.listing import SqlJobs
from storage.jobs.queue import SqlJobQueue
from storage.jobs.tasks import SqlTasks
from storage.study_management.deleting import PurgeDeletion
from storage.study_management.studies import SqlStudyManagement
from storage.upkeep.history import FOLLOWED, LASTS, History
from tests.storage.shelf import LATER, Shelf, shelf_of
from tests.storage.world import actions, assert_counts_true, rows

USER = Actor(1, "user", "nurse@example.org", "127.0.0.1", "abc")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def shelf(database: Database, blobs: BlobStore) -> Iterator[Shelf]:
    with shelf_of(database, blobs) as made:
        yield made


def history(shelf: Shelf, later: timedelta = LASTS + MINUTE) -> History:
    """One that believes it is so much later."""
    return History(shelf.database, now=lambda database: clock.read(database) + later)


class Uploads:
    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.tasks = SqlTasks(shelf.database, shelf.blobs.missing)
        self.queue = SqlJobQueue(shelf.database)

    def upload(self, *contents: bytes) -> Task:
        return self.tasks.upload(USER, None, [Upload(self.shelf.publish(each), "file") for each in contents])

    def claim(self) -> ClaimedJob:
        job = self.queue.claim("worker", MINUTE)
        assert job is not None
        return job

    def fail(self, *contents: bytes) -> Task:
        task = self.upload(*contents)
        self.queue.fail(self.claim(), "its workers died of it")
        return task

    def complete(self) -> Task:
        task = self.upload(b"taken in")
        job = self.claim()
        self.tasks.report(task, Progress(processed=1))
        self.tasks.finish(task, Status.COMPLETED, "")
        self.tasks.release(task)
        self.queue.complete(job)
        return task

    def failed(self) -> list[ListedJob]:
        return SqlJobs(self.shelf.database).page(1, JobState.FAILED, 10, 0)[0]

    def known(self) -> set[str]:
        return {task.id for task in self.tasks.page(1, 100, 0)[0]}


@pytest.fixture
def uploads(shelf: Shelf) -> Uploads:
    return Uploads(shelf)


def test_what_is_over_goes_after_its_time_and_not_before(shelf: Shelf, uploads: Uploads) -> None:
    task = uploads.complete()
    assert not history(shelf, LASTS - MINUTE).run()
    assert uploads.known() == {task.id}
    assert not history(shelf).run()
    assert uploads.known() == set()
    assert actions(shelf.database)[-1] == "task.purge"


def test_what_is_still_to_be_done_stays(shelf: Shelf, uploads: Uploads) -> None:
    waiting = uploads.upload(b"slow")
    history(shelf).run()
    assert uploads.known() == {waiting.id}
    uploads.claim()
    history(shelf).run()
    assert uploads.known() == {waiting.id}


def test_an_upload_that_failed_for_good_gives_up_its_files(
    shelf: Shelf, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.kept_blobs._BATCH", 2)
    contents = [b"%d" % n for n in range(5)]
    uploads.fail(*contents)
    files = [shelf.publish(each) for each in contents]
    history(shelf, LASTS - MINUTE).run()
    shelf.sweep(LATER).run()
    assert shelf.blobs.missing(files) == []
    history(shelf).run()
    assert_counts_true(shelf.database)
    shelf.sweep(LATER).run()
    assert shelf.blobs.missing(files) == files
    assert (uploads.known(), uploads.failed()) == (set(), [])


def test_one_that_is_tried_again_stays(shelf: Shelf, uploads: Uploads) -> None:
    task = uploads.fail(b"again")
    (job,) = uploads.failed()
    assert SqlJobs(shelf.database).retry(USER, job.id)
    history(shelf).run()
    assert uploads.known() == {task.id}
    assert len(uploads.tasks.uploads(task)) == 1


def test_a_run_is_bounded_and_says_that_there_is_more(
    shelf: Shelf, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.upkeep.history._BATCH", 2)
    for _ in range(3):
        uploads.complete()
    assert history(shelf).run()
    assert len(uploads.known()) == 1
    assert not history(shelf).run()
    assert uploads.known() == set()


def test_a_deletion_goes_once_it_is_purged(shelf: Shelf) -> None:
    item = shelf.store(b"deleted")
    study = item.identity.study_instance_uid
    made = SqlStudyManagement(shelf.database, timedelta(0)).delete(USER, study, None, "test")
    history(shelf).run()
    (row,) = rows(shelf.database, "SELECT id FROM deletions")
    assert row["id"] == made.id  # its bytes are still kept
    job = SqlJobQueue(shelf.database).claim("worker", MINUTE)
    assert job is not None
    PurgeDeletion(shelf.database)(job)
    history(shelf, LASTS - MINUTE).run()
    assert len(rows(shelf.database, "SELECT id FROM deletions")) == 1
    history(shelf).run()
    assert rows(shelf.database, "SELECT id FROM deletions") == []
    assert_counts_true(shelf.database)


def numbers(shelf: Shelf, organization: int = 1) -> list[int]:
    of = f"SELECT seq FROM changes WHERE org_id = {organization} ORDER BY seq"
    return [row["seq"] for row in rows(shelf.database, of)]


def announce(shelf: Shelf, count: int, who: Actor = USER) -> None:
    with transaction(shelf.database) as under_way:
        for _ in range(count):
            under_way.announce(who, "study.received", "1.2.3")


def test_old_changes_of_one_organisation_take_no_young_ones_of_another_along(shelf: Shelf) -> None:
    shelf.run("INSERT INTO organizations (id, code, name) VALUES (2, 'b', 'B')")
    shelf.run("INSERT INTO org_heads (org_id) VALUES (2)")
    announce(shelf, 3)
    announce(shelf, 2, replace(USER, organization=2))
    shelf.run("UPDATE changes SET at = at + :week WHERE org_id = 2", week=7 * 24 * 3600 * 1_000_000)
    history(shelf).run()
    assert (numbers(shelf), numbers(shelf, 2)) == ([3], [1, 2])


def test_old_changes_go_but_for_the_newest(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.upkeep.history._CHANGES", 3)
    announce(shelf, 6)
    history(shelf, LASTS - MINUTE).run()
    assert numbers(shelf) == [1, 2, 3, 4, 5, 6]
    assert history(shelf).run()
    assert numbers(shelf) == [4, 5, 6]
    assert not history(shelf).run()
    assert numbers(shelf) == [6]
    announce(shelf, 1)
    assert numbers(shelf) == [6, 7]


def test_changes_are_to_be_had_for_a_day_however_short_history_is(shelf: Shelf) -> None:
    announce(shelf, 2)
    for later, left in ((FOLLOWED - MINUTE, [1, 2]), (FOLLOWED + MINUTE, [2])):
        replace(history(shelf, later), lasts=timedelta(0)).run()
        assert numbers(shelf) == left
