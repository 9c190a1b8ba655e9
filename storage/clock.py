"""The database's clock, which all nodes share: a node whose own clock is wrong does not take over another's
job, end a session early, or remove what another still reads.

In microseconds since 1970, as in `storage.columns`. SQLite, whose nodes are all on one machine, has
milliseconds.
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
