"""Figures about the whole archive, for its operators."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import exists, func, select

from storage import clock
from storage.database import Database
from storage.tables import blobs, jobs


def answers(database: Database) -> None:
    """Raises `DatabaseUnavailable` unless the database answers."""
    with database.read() as connection:
        connection.execute(select(1))


def jobs_by_state(database: Database) -> dict[str, float]:
    with database.read() as connection:
        rows = connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state))
        return {"waiting": 0, "running": 0, "failed": 0} | {state: float(count) for state, count in rows}


class Overdue(NamedTuple):
    """`seconds` since the oldest waiting job is due; `worked`: whether a worker holds any job."""

    seconds: float
    worked: bool


def overdue(database: Database) -> Overdue:
    now = clock.now(database.dialect)
    oldest = select(func.min(jobs.c.run_at)).where(jobs.c.state == "waiting").scalar_subquery()
    worked = exists().where(jobs.c.state == "running", jobs.c.lease_until > now)
    with database.read() as connection:
        late, at_work = connection.execute(select(now - oldest, worked)).one()
    return Overdue(max(0, late or 0) / 1e6, bool(at_work))


def stored_bytes(database: Database) -> float:
    """Reads every blob's row, so cache it."""
    with database.read() as connection:
        return float(connection.execute(select(func.coalesce(func.sum(blobs.c.size), 0))).scalar_one())
