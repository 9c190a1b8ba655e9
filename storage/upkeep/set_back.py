"""Once the database's clock is set back, times written before lie in the future.

Jobs would wait until the clock has caught up: a machine that starts hours ahead and then corrects its clock
would hold up everything that came in between. Only jobs with a long delay, such as purges, may wait longer.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import BigInteger, ColumnElement, and_, case, or_, select, type_coerce, update

from storage import clock
from storage.database import Database
from storage.tables import jobs

LONGEST = timedelta(hours=2)
"""Longer than any lease, and than any wait before a job is tried again."""
_SLACK = timedelta(minutes=1)  # a clock that is merely adjusted moves by less


class Release:
    """Looks through the jobs, of which there may be many purges, at first and while the clock is behind what
    it has told before. While it is not, no job waits for longer than its delay and the time since."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._newest: datetime | None = None

    def run(self) -> int:
        """How many jobs were released."""
        now = clock.read(self._database)
        behind = self._newest is None or now < self._newest
        released = release_jobs(self._database) if behind else 0
        self._newest = max(now, self._newest or now)
        return released


def release_jobs(database: Database) -> int:
    """Make jobs due that wait for such a time, and end leases until one; returns how many."""
    dialect, longest = database.dialect, LONGEST // timedelta(microseconds=1)
    now, far = clock.now(dialect), clock.later(dialect, LONGEST)
    delay = type_coerce(jobs.c.run_at, BigInteger) - type_coerce(jobs.c.created_at, BigInteger)
    untried = and_(jobs.c.created_at > clock.later(dialect, _SLACK), delay <= longest)
    tried = and_(jobs.c.last_error.is_not(None), jobs.c.run_at > far)
    waiting = and_(jobs.c.state == "waiting", jobs.c.run_at > now, or_(untried, tried))
    running = and_(jobs.c.state == "running", jobs.c.lease_until > far)
    created = case((jobs.c.created_at > now, now), else_=jobs.c.created_at)
    return _change(database, waiting, {"run_at": now, "created_at": created}) + _change(
        database, running, {"lease_until": now}
    )


def _change(database: Database, where: ColumnElement[bool], values: dict[str, ColumnElement[int]]) -> int:
    with database.read() as connection:  # so as not to queue as a writer for nothing
        if connection.execute(select(jobs.c.pk).where(where).limit(1)).first() is None:
            return 0
    with database.write() as connection:
        return connection.execute(update(jobs).where(where).values(values)).rowcount
