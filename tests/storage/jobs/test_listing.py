"""What an administrator sees of jobs and may do with them: those of his organisation."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pacs.actor import Actor
from pacs.jobs.job import JobState, NewJob
from pacs.jobs.tasks import UPLOAD
from storage.database import Database
from storage.jobs.listing import SqlJobs
from storage.jobs.queue import SqlJobQueue, enqueue
from storage.jobs.settle import KIND
from tests.storage.world import actions

ADMIN = Actor(1, "user", "admin@example.org", "127.0.0.1", "abc")
STRANGER = Actor(2, "user", "somebody@example.org", "127.0.0.1", "abc")


def fill(database: Database, *kinds: str, key: str | None = None) -> None:
    with database.write() as connection:
        for kind in kinds:
            enqueue(connection, NewJob(kind, {}, key=key), 1, "c")


def states(database: Database) -> list[tuple[str, JobState]]:
    found, total = SqlJobs(database).page(1, None, 10, 0)
    assert total == len(found)
    return [(each.kind, each.state) for each in found]


def test_jobs_by_state(database: Database) -> None:
    jobs, queue = SqlJobs(database), SqlJobQueue(database)
    fill(database, UPLOAD, KIND, UPLOAD)
    running = queue.claim("node", timedelta(minutes=1))
    failing = queue.claim("node", timedelta(minutes=1))
    assert running is not None and failing is not None
    queue.fail(failing, "it broke")
    assert states(database) == [
        (UPLOAD, JobState.RUNNING),
        (KIND, JobState.FAILED),
        (UPLOAD, JobState.QUEUED),
    ]
    ((failed,), total) = jobs.page(1, JobState.FAILED, 10, 0)
    assert (failed.id, failed.last_error, total) == (failing.id, "it broke", 1)
    assert jobs.page(1, None, 1, 2)[0][0].state is JobState.QUEUED
    assert jobs.page(2, None, 10, 0) == ([], 0)


def test_many_are_listed_and_not_counted(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(database, UPLOAD, UPLOAD)
    for most, total in ((1, None), (2, 2)):
        monkeypatch.setattr("storage.counting.COUNTED", most)
        found, told = SqlJobs(database).page(1, JobState.QUEUED, 10, 0)
        assert (len(found), told) == (2, total)


def test_a_failed_job_is_tried_again_by_its_own_administrator(database: Database) -> None:
    jobs, queue = SqlJobs(database), SqlJobQueue(database)
    fill(database, UPLOAD)
    job = queue.claim("node", timedelta(minutes=1))
    assert job is not None
    assert not jobs.retry(ADMIN, job.id)  # it runs
    queue.fail(job, "it broke")
    assert not jobs.retry(STRANGER, job.id)
    assert jobs.retry(ADMIN, job.id)
    assert states(database) == [(UPLOAD, JobState.QUEUED)]
    assert "job.retry" in actions(database)


def test_a_failed_job_gives_way_to_the_same_one_that_waits(database: Database) -> None:
    jobs, queue = SqlJobs(database), SqlJobQueue(database)
    fill(database, KIND, key="the same")
    job = queue.claim("node", timedelta(minutes=1))
    assert job is not None
    queue.fail(job, "it broke")
    fill(database, KIND, key="the same")
    assert jobs.retry(ADMIN, job.id)
    assert states(database) == [(KIND, JobState.QUEUED)]


def test_dropping_spares_the_upkeep_that_waits(database: Database) -> None:
    jobs, queue = SqlJobs(database), SqlJobQueue(database)
    fill(database, KIND, UPLOAD, KIND, UPLOAD)
    job = queue.claim("node", timedelta(minutes=1))
    assert job is not None
    queue.fail(job, "it broke")
    assert jobs.drop(STRANGER, JobState.QUEUED) == 0
    assert jobs.drop(ADMIN, JobState.QUEUED) == 2
    assert states(database) == [(KIND, JobState.FAILED), (KIND, JobState.QUEUED)]
    assert jobs.drop(ADMIN, JobState.FAILED) == 1
