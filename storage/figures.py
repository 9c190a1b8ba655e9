"""Figures about the whole archive, for its operators."""

from __future__ import annotations

from sqlalchemy import func, select

from storage.database import Database
from storage.tables import blobs, jobs


def answers(database: Database) -> None:
    """Raises `DatabaseUnavailable` unless the database answers."""
    with database.read() as connection:
        connection.execute(select(1))


def jobs_by_state(database: Database) -> dict[str, float]:
    with database.read() as connection:
        rows = connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state)).tuples()
        return {"waiting": 0, "running": 0, "failed": 0} | {state: float(count) for state, count in rows}


def stored_bytes(database: Database) -> float:
    """Reads every blob's row, so cache it."""
    with database.read() as connection:
        return float(connection.execute(select(func.coalesce(func.sum(blobs.c.size), 0))).scalar_one())
