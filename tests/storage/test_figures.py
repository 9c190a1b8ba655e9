"""Whether jobs wait for workers that are not there."""

from __future__ import annotations

from datetime import timedelta

from storage import figures
from storage.database import Database
from storage.jobs.queue import SqlJobQueue
from tests.storage.jobs.test_queue import EXPIRED, LEASE, claim, put


def test_a_job_is_overdue_from_its_time_on(database: Database) -> None:
    assert figures.overdue(database) == (0, False)
    put(database, delay=timedelta(hours=1))
    assert figures.overdue(database) == (0, False)
    put(database, delay=-timedelta(minutes=5))
    late, worked = figures.overdue(database)
    assert late >= 300 and not worked


def test_a_worker_holds_its_job_until_the_lease_ends(database: Database) -> None:
    put(database)
    put(database)
    claim(SqlJobQueue(database), lease=EXPIRED)
    assert not figures.overdue(database).worked
    claim(SqlJobQueue(database), lease=LEASE)
    assert figures.overdue(database).worked
