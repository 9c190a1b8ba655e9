"""The job queue: a table. A finished job has no row; the row of a failed one stays for inspection.

A worker holds a job under a lease. When a lease expires, the job is given to another worker with a new
token, and reports with the old token are ignored. Leases and due times use the database's clock
(`storage.clock`).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Update,
    and_,
    bindparam,
    delete,
    exists,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

from pacs.jobs.job import ClaimedJob, NewJob
from storage import clock
from storage.database import Database
from storage.jobs.wakeups import announce
from storage.statements import run
from storage.tables import jobs
from storage.upsert import INSERT

_ERROR_LENGTH = 2000  # characters stored of a job's last error
_MAY_COLLIDE = 3


def enqueue(connection: Connection, job: NewJob, organization: int, correlation_id: str) -> None:
    """Add a job in the caller's transaction, unless a waiting job has the same key."""
    row = {
        "org_id": organization,
        "kind": job.kind,
        "key": job.key,
        "payload": orjson.dumps(dict(job.payload)).decode(),
        "state": "waiting",
        "delay": job.delay // timedelta(microseconds=1),
        "attempt": 0,
        "max_attempts": job.max_attempts,
        "correlation_id": correlation_id,
    }
    run(connection, _enqueue(connection.dialect.name), [row])
    if job.delay <= timedelta(0):
        announce(connection)


def complete(connection: Connection, job: ClaimedJob) -> bool:
    """Complete the job in the transaction of its handler's own work, if that must not be done twice. False
    when the job is no longer this worker's, or is completed already."""
    return connection.execute(delete(jobs).where(*_mine(job))).rowcount == 1


@cache
def _enqueue(dialect: str) -> Any:
    waiting = text("state = 'waiting'")
    now = clock.now(dialect)
    new = INSERT[dialect](jobs).values(created_at=now, run_at=now + bindparam("delay", type_=BigInteger))
    return new.on_conflict_do_nothing(index_elements=["org_id", "key"], index_where=waiting)


@dataclass(frozen=True, slots=True)
class SqlJobQueue:
    """Implements `pacs.ports.JobQueue`."""

    database: Database

    def claim(self, worker: str, lease: timedelta) -> ClaimedJob | None:
        while (job := self._claim(worker, lease)) and job.attempt > job.max_attempts:
            self.fail(job, "every worker that ran it died")
        return job

    def _claim(self, worker: str, lease: timedelta) -> ClaimedJob | None:
        now = clock.now(self.database.dialect)
        due = or_(
            and_(jobs.c.state == "waiting", jobs.c.run_at <= now),
            and_(jobs.c.state == "running", jobs.c.lease_until <= now),
        )
        first = select(jobs.c.pk).where(due).order_by(jobs.c.run_at, jobs.c.pk).limit(1)
        with self.database.read() as connection:  # so that idle workers do not queue as writers
            if connection.execute(first).first() is None:
                return None
        taken = (
            update(jobs)
            .where(jobs.c.pk == first.with_for_update(skip_locked=True).scalar_subquery())
            .values(
                state="running",
                attempt=jobs.c.attempt + 1,
                worker=worker,
                token=secrets.token_hex(8),
                lease_until=self._in(lease),
            )
            .returning(jobs)
        )
        with self.database.write() as connection:
            row = connection.execute(taken).mappings().first()
        return None if row is None else _claimed(dict(row))

    def renew(self, job: ClaimedJob, lease: timedelta) -> bool:
        """False when the job is no longer this worker's."""
        with self.database.write() as connection:
            renewed = _held(job).values(lease_until=self._in(lease))
            return connection.execute(renewed).rowcount == 1

    def complete(self, job: ClaimedJob) -> None:
        with self.database.write() as connection:
            complete(connection, job)

    def retry(self, job: ClaimedJob, at: datetime, error: str) -> None:
        """Run it again at that time, with the attempts so far; unless a job with the same key is waiting,
        which replaces it."""
        same = jobs.alias()
        waiting = exists().where(
            same.c.org_id == jobs.c.org_id, same.c.key == jobs.c.key, same.c.state == "waiting"
        )
        due = self._in(at - datetime.now(UTC))
        message = error[:_ERROR_LENGTH]
        back = _held(job).where(~waiting)
        back = back.values(state="waiting", run_at=due, attempt=job.attempt, last_error=message)
        for left in reversed(range(_MAY_COLLIDE)):
            try:
                with self.database.write() as connection:
                    if connection.execute(back).rowcount == 0:
                        connection.execute(delete(jobs).where(*_mine(job)))
                return
            except IntegrityError:  # a job with the same key was enqueued between check and update
                if not left:
                    raise

    def fail(self, job: ClaimedJob, error: str) -> None:
        with self.database.write() as connection:
            connection.execute(_held(job).values(state="failed", last_error=error[:_ERROR_LENGTH]))

    def _in(self, delay: timedelta) -> ColumnElement[int]:
        return clock.later(self.database.dialect, delay)


def _mine(job: ClaimedJob) -> tuple[Any, ...]:
    return jobs.c.pk == job.id, jobs.c.token == job.token, jobs.c.state == "running"


def _held(job: ClaimedJob) -> Update:
    return update(jobs).where(*_mine(job))


def _claimed(row: dict[str, Any]) -> ClaimedJob:
    return ClaimedJob(
        id=row["pk"],
        organization=row["org_id"],
        kind=row["kind"],
        payload=orjson.loads(row["payload"]),
        attempt=row["attempt"],
        max_attempts=row["max_attempts"],
        token=row["token"],
        correlation_id=row["correlation_id"],
    )
