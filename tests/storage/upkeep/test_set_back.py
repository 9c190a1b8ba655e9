"""The database's clock was ahead and has been set back: jobs of before do not wait until it has caught up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pacs.jobs.job import NewJob
from storage.database import Database
from storage.jobs.queue import SqlJobQueue, enqueue
from storage.upkeep.set_back import LONGEST, Release, release_jobs
from tests.storage.world import rows

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_TIMES = ("run_at", "created_at", "lease_until")


def set_back(database: Database, by: timedelta, *columns: str) -> None:
    """As these columns look by a clock that was set back."""
    later = ", ".join(f"{column} = {column} + {by // timedelta(microseconds=1)}" for column in columns)
    with database.write() as connection:
        connection.exec_driver_sql(f"UPDATE jobs SET {later}")


@pytest.fixture
def queue(database: Database) -> SqlJobQueue:
    return SqlJobQueue(database)


def put(database: Database, delay: timedelta = timedelta(0)) -> None:
    with database.write() as connection:
        enqueue(connection, NewJob("count", {}, delay), 1, "abc")


@pytest.mark.parametrize("delay", [timedelta(0), MINUTE])
def test_a_job_is_due(database: Database, queue: SqlJobQueue, delay: timedelta) -> None:
    put(database, delay)
    set_back(database, HOUR, *_TIMES)
    assert queue.claim("w", MINUTE) is None
    assert (release_jobs(database), release_jobs(database)) == (1, 0)
    job = queue.claim("w", MINUTE)
    assert job is not None
    queue.retry(job, datetime.now(UTC) + 2 * MINUTE, "it broke")
    assert release_jobs(database) == 0  # it waits no longer than it should


def test_a_job_that_is_tried_again_is_due(database: Database, queue: SqlJobQueue) -> None:
    put(database)
    job = queue.claim("w", MINUTE)
    assert job is not None
    queue.retry(job, datetime.now(UTC) + MINUTE, "it broke")
    assert release_jobs(database) == 0
    set_back(database, DAY, "run_at")  # it was created before the clock went wrong
    assert release_jobs(database) == 1
    assert queue.claim("w", MINUTE) is not None


def test_the_job_of_a_worker_that_died_is_taken_over(database: Database, queue: SqlJobQueue) -> None:
    put(database)
    assert queue.claim("died", MINUTE) is not None
    assert release_jobs(database) == 0
    set_back(database, DAY, "lease_until")
    assert queue.claim("w", MINUTE) is None
    assert release_jobs(database) == 1
    assert queue.claim("w", MINUTE) is not None


@pytest.mark.parametrize("by", [timedelta(0), MINUTE / 2, HOUR])
def test_a_purge_keeps_its_delay(database: Database, by: timedelta) -> None:
    put(database, LONGEST + MINUTE)
    set_back(database, by, *_TIMES)
    before = rows(database, "SELECT * FROM jobs")
    assert release_jobs(database) == 0
    assert rows(database, "SELECT * FROM jobs") == before


def test_jobs_are_looked_through_only_while_the_clock_is_behind(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be many purges that wait."""
    began, told = datetime.now(UTC), timedelta(0)
    monkeypatch.setattr("storage.clock.read", lambda _: began + told)
    release = Release(database)

    def released(at: timedelta) -> int:
        nonlocal told
        put(database)
        set_back(database, DAY, *_TIMES)
        told = at
        return release.run()

    assert released(told) == 1, "what came before"
    assert released(HOUR) == 0
    assert released(HOUR - MINUTE) == 3
    assert released(HOUR - MINUTE / 2) == 4, "until it has caught up"
    assert released(HOUR) == 0
