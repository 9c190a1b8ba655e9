"""The clock that all nodes share is the database's: one whose own is wrong takes no job that is another's,
ends no session early, and removes nothing that another still reads.

In microseconds since 1970, as `storage.columns` keeps every time. SQLite, whose nodes are all on this
machine, tells milliseconds.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, literal_column, select

from storage.columns import moment
from storage.database import Database
from storage.statements import scalar

_NOW = {
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)",
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000000 AS integer)",
}


def now(dialect: str) -> ColumnElement[int]:
    return literal_column(_NOW[dialect], BigInteger)


@cache
def _select_now(dialect: str) -> Select[tuple[int]]:
    return select(now(dialect))


def told(connection: Connection) -> datetime:
    return moment(scalar(connection, _select_now(connection.dialect.name), {}))


def read(database: Database) -> datetime:
    with database.read() as connection:
        return told(connection)


def later(dialect: str, by: timedelta) -> ColumnElement[int]:
    return now(dialect) + by // timedelta(microseconds=1)
