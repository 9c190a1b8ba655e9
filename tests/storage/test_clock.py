"""A node whose clock is wrong: what it writes down means the same to the others, and theirs to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pacs.accounts import FAILURE_WINDOW, MAX_FAILURES
from pacs.actor import Actor
from pacs.jobs.tasks import Upload
from storage import clock
from storage.accounts.users import SqlAccounts
from storage.blobs import LocalBlobs, SpoolLimits
from storage.database import Database
from storage.jobs.listing import SqlJobs
from storage.jobs.queue import SqlJobQueue
from storage.jobs.tasks import SqlTasks
from storage.study_management.studies import SqlStudyManagement
from storage.upkeep.history import LASTS, History
from tests.storage import clocks
from tests.storage.clocks import SLOW_AND_FAST
from tests.storage.jobs.test_settle import settle
from tests.storage.received import received
from tests.storage.shelf import Shelf, shelf_of
from tests.storage.world import opened, rows, store

USER = Actor(1, "user", "nurse@example.org", "127.0.0.1", "abc")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def shelf(database: Database, tmp_path: Path) -> Iterator[Shelf]:
    with shelf_of(database, LocalBlobs(tmp_path, SpoolLimits(reserve=0))) as made:
        yield made


@pytest.fixture(params=[True, False], ids=["written there", "read there"])
def wrong_first(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


class Nodes:
    """`first` and `second`: one of them has a wrong clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, wrong: timedelta, wrong_first: bool) -> None:
        self._monkeypatch = monkeypatch
        self._wrong = {"first": wrong} if wrong_first else {"second": wrong}

    @contextmanager
    def on(self, node: str) -> Iterator[timedelta]:
        """By how much its clock is wrong."""
        by = self._wrong.get(node, timedelta(0))
        with self._monkeypatch.context() as there:
            clocks.set_node_wrong(there, by)
            yield by


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch, wrong: timedelta, wrong_first: bool) -> Nodes:
    return Nodes(monkeypatch, wrong, wrong_first)


pytestmark = SLOW_AND_FAST


def test_failed_sign_ins_are_counted_as_long(database: Database, nodes: Nodes) -> None:
    accounts = SqlAccounts(database)
    with nodes.on("first"):
        for _ in range(MAX_FAILURES + 1):
            accounts.attempt("a@b.c", "192.0.2.1")
    with nodes.on("second") as by:
        attempts = accounts.attempt("a@b.c", "192.0.2.1")
        wait = timedelta(seconds=attempts.retry_after(datetime.now(UTC) + by))
    assert FAILURE_WINDOW - 5 * MINUTE < wait <= FAILURE_WINDOW + timedelta(seconds=1)
    with nodes.on("first"):
        assert accounts.attempt("x@y.z", "192.0.2.1").count == 1
    with nodes.on("second"):
        assert accounts.attempt("a@b.c", "192.0.2.1").count > MAX_FAILURES


def test_what_was_deleted_is_kept_as_long(shelf: Shelf, nodes: Nodes) -> None:
    study = shelf.store(b"deleted").identity.study_instance_uid
    management = SqlStudyManagement(shelf.database)
    with nodes.on("first"):
        deletion = management.delete(USER, study, None, "test")
    left = deletion.purge_at - clock.read(shelf.database)
    assert management.retention - MINUTE < left <= management.retention
    with nodes.on("second"):
        ((found,), total) = management.deletions(1, 10, 0, restorable=True)
        assert (found.id, total, found.can_be_restored) == (deletion.id, 1, True)
        assert SqlJobQueue(shelf.database).claim("second", MINUTE) is None
        management.restore(USER, deletion.id)


def test_history_lasts_as_long(shelf: Shelf, nodes: Nodes) -> None:
    tasks, queue = SqlTasks(shelf.database, shelf.blobs.missing), SqlJobQueue(shelf.database)
    with nodes.on("first"):
        tasks.upload(USER, None, [Upload(shelf.publish(b"file"), "file")])
        job = queue.claim("first", MINUTE)
        assert job is not None
        queue.fail(job, "it broke")
    with nodes.on("second"):
        History(shelf.database).run()
        assert tasks.page(1, 10, 0)[1] == 1
        later = LASTS + MINUTE
        History(shelf.database, now=lambda database: clock.read(database) + later).run()
        assert tasks.page(1, 10, 0)[1] == 0


def test_a_study_is_quiet_as_early(database: Database, nodes: Nodes) -> None:
    with nodes.on("first"), opened(database) as entries:
        store(entries, received())
    with nodes.on("second"):
        settle(database, 10 * MINUTE)
    (study,) = rows(database, "SELECT state, last_received_at FROM studies")
    (job,) = rows(database, "SELECT run_at FROM jobs")
    assert study["state"] == "receiving"
    late = timedelta(microseconds=job["run_at"] - study["last_received_at"]) - 10 * MINUTE
    assert abs(late) < MINUTE
    with nodes.on("second"):
        settle(database, timedelta(0))
    (study,) = rows(database, "SELECT state FROM studies")
    assert study["state"] == "unread"


def test_a_job_that_is_tried_again_is_due_at_once(shelf: Shelf, nodes: Nodes) -> None:
    queue = SqlJobQueue(shelf.database)
    with nodes.on("first"):
        SqlTasks(shelf.database, shelf.blobs.missing).upload(USER, None, [Upload(shelf.publish(b"x"), "x")])
    with nodes.on("second"):
        job = queue.claim("second", MINUTE)
        assert job is not None
        queue.fail(job, "it broke")
        assert SqlJobs(shelf.database).retry(USER, job.id)
    with nodes.on("first"):
        assert queue.claim("first", MINUTE) is not None
