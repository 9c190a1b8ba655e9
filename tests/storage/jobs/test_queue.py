"""The job queue, and the worker upon it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from pacs.errors import StorageFull
from pacs.jobs.job import ClaimedJob, NewJob
from pacs.jobs.worker import Worker
from storage.database import Database
from storage.jobs.queue import SqlJobQueue, enqueue
from tests.storage.clocks import SLOW_AND_FAST, set_wrong
from tests.storage.world import rows

LEASE = timedelta(minutes=1)
EXPIRED = timedelta(seconds=-1)


def now() -> datetime:
    return datetime.now(UTC)


def put(database: Database, key: str | None = None, delay: timedelta = timedelta(0), tries: int = 3) -> None:
    job = NewJob("count", {"n": 1}, delay, key=key, max_attempts=tries)
    with database.write() as connection:
        enqueue(connection, job, 1, "abc")


@pytest.fixture
def queue(database: Database) -> SqlJobQueue:
    return SqlJobQueue(database)


def claim(queue: SqlJobQueue, worker: str = "w", lease: timedelta = LEASE) -> ClaimedJob:
    job = queue.claim(worker, lease)
    assert job is not None
    return job


def failures(database: Database) -> list[str]:
    return [row["last_error"] for row in rows(database, "SELECT last_error FROM jobs WHERE state = 'failed'")]


def test_a_job_is_claimed_once_and_gone_when_complete(database: Database, queue: SqlJobQueue) -> None:
    put(database)
    job = claim(queue)
    assert (job.kind, job.payload, job.attempt, job.correlation_id) == ("count", {"n": 1}, 1, "abc")
    assert queue.claim("other", LEASE) is None
    queue.complete(job)
    assert rows(database, "SELECT * FROM jobs") == []


def test_a_job_waits_for_its_time_and_the_oldest_goes_first(database: Database, queue: SqlJobQueue) -> None:
    put(database, delay=LEASE)
    assert queue.claim("w", LEASE) is None
    put(database, key="later", delay=-timedelta(seconds=1))
    put(database, key="sooner", delay=-timedelta(seconds=2))
    assert [row["key"] for row in rows(database, f"SELECT key FROM jobs WHERE pk = {claim(queue).id}")] == [
        "sooner"
    ]


def test_one_waiting_job_has_a_key(database: Database, queue: SqlJobQueue) -> None:
    put(database, key="k")
    put(database, key="k")
    assert len(rows(database, "SELECT * FROM jobs")) == 1
    job = claim(queue)
    put(database, key="k")  # while the first runs
    assert len(rows(database, "SELECT * FROM jobs")) == 2
    queue.retry(job, now(), "why")
    assert [row["state"] for row in rows(database, "SELECT state FROM jobs")] == ["waiting"]


@SLOW_AND_FAST
def test_a_node_whose_clock_is_wrong_harms_nobody(
    database: Database, queue: SqlJobQueue, monkeypatch: pytest.MonkeyPatch, wrong: timedelta
) -> None:
    put(database)
    job = claim(queue)
    with monkeypatch.context() as there:
        clock = set_wrong(there, wrong, "storage.jobs.queue")
        assert queue.claim("there", LEASE) is None
        assert queue.renew(job, LEASE)
        queue.retry(job, clock.now(UTC) + LEASE, "later")
        assert queue.claim("there", LEASE) is None
    assert queue.claim("here", LEASE) is None


def test_a_lease_that_ran_out_gives_the_job_away(database: Database, queue: SqlJobQueue) -> None:
    put(database)
    lost = claim(queue, "killed", EXPIRED)
    taken = claim(queue, "other")
    assert (taken.id, taken.attempt) == (lost.id, 2)
    assert not queue.renew(lost, LEASE)
    queue.complete(lost)
    queue.fail(lost, "late")
    queue.retry(lost, now(), "late")
    assert [row["state"] for row in rows(database, "SELECT state FROM jobs")] == ["running"]
    assert queue.renew(taken, LEASE)
    queue.complete(taken)
    assert rows(database, "SELECT * FROM jobs") == []


def test_a_job_that_kills_its_workers_fails_in_the_end(database: Database, queue: SqlJobQueue) -> None:
    put(database, tries=2)
    claim(queue, lease=EXPIRED)
    claim(queue, lease=EXPIRED)
    assert queue.claim("w", LEASE) is None
    (failed,) = failures(database)
    assert failed


def test_workers_share_the_queue_without_taking_a_job_twice(database: Database, queue: SqlJobQueue) -> None:
    for n in range(20):
        put(database, key=str(n))

    def take(worker: int) -> list[int]:
        taken = []
        while job := queue.claim(str(worker), LEASE):
            taken.append(job.id)
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [pk for part in pool.map(take, range(4)) for pk in part]
    assert len(taken) == len(set(taken)) == 20


def test_the_worker_does_retries_and_gives_up(
    database: Database, queue: SqlJobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pacs.jobs.job.FIRST_DELAY", timedelta(hours=1))  # no machine stands still so long
    put(database, tries=2)
    seen: list[int] = []

    def broken(job: ClaimedJob) -> None:
        seen.append(job.attempt)
        raise ValueError("secret of a patient")

    worker = Worker(queue, {"count": broken}, "w")
    assert worker.work()
    assert not worker.work()  # it waits for its next attempt
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE jobs SET run_at = 0")
    assert worker.work()
    assert seen == [1, 2]
    assert failures(database) == ["ValueError"]


def test_a_job_waits_as_long_as_something_is_away(database: Database, queue: SqlJobQueue) -> None:
    put(database, tries=1)
    away = True
    seen: list[int] = []

    def store(job: ClaimedJob) -> None:
        seen.append(job.attempt)
        if away:
            raise StorageFull

    worker = Worker(queue, {"count": store}, "w")
    for _ in range(3):
        assert worker.work()
        assert not worker.work()
        with database.write() as connection:
            connection.exec_driver_sql("UPDATE jobs SET run_at = 0")
    away = False
    assert worker.work()
    assert seen == [1] * 4
    assert rows(database, "SELECT * FROM jobs") == []


def test_the_worker_fails_a_job_that_nobody_can_do(database: Database, queue: SqlJobQueue) -> None:
    put(database)
    assert Worker(queue, {}, "w").work()
    assert len(failures(database)) == 1


def test_the_worker_keeps_its_lease_while_it_works(database: Database, queue: SqlJobQueue) -> None:
    put(database)
    renewed = threading.Event()

    class Watched(SqlJobQueue):
        def renew(self, job: ClaimedJob, lease: timedelta) -> bool:
            held = super().renew(job, lease)
            renewed.set()
            return held

    def wait(job: ClaimedJob) -> None:
        renewed.wait(60)

    worker = Worker(Watched(database), {"count": wait}, "w", timedelta(seconds=0.3))
    assert worker.work()
    assert renewed.is_set()
    assert rows(database, "SELECT * FROM jobs") == []


def test_the_worker_runs_until_it_is_stopped(database: Database, queue: SqlJobQueue) -> None:
    stop = threading.Event()
    done: list[int] = []

    def last(job: ClaimedJob) -> None:
        done.append(job.id)
        if len(done) == 3:
            stop.set()

    for n in range(3):
        put(database, key=str(n))
    Worker(queue, {"count": last}, "w", poll=0.01).run(stop)
    assert len(done) == 3
