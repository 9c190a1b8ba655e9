"""SQLAlchemy's engines, set up for this archive: how connections are made, and how their transactions begin.

Where an engine has no event for something, a dialect of our own overrides the method.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from storage.answer_timeout import DRIVER, bound_answers

LOCK_TIMEOUT = 15.0
"""Seconds that a writer waits for the lock of SQLite's writers, or for rows that others have locked."""
BUSY_TIMEOUT = 3.0
"""Seconds that SQLite waits for another program's writer, while all of ours are waiting."""
IDLE_TIMEOUT = 60.0
"""Seconds after which PostgreSQL ends an idle transaction and frees its rows: its node must be frozen."""
_KEEPALIVES = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
"""Settings, in seconds, by which PostgreSQL notices that a node has vanished; by default it takes hours."""
SEARCH_TIMEOUT = 10.0
"""Seconds after which one statement of a search is given up; at a million studies the worst takes 3."""

# A checkpoint every 16 MiB of log rather than every 4: it costs several waits for the disk, and a commit
# writes 80 KiB. The cache is per connection.
_SQLITE_PRAGMAS = """
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -8192;
PRAGMA wal_autocheckpoint = 4000;
"""
_POSTGRESQL: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # milliseconds until a vanished server is noticed
    "application_name": "pacs",
}
_SEARCHING = {
    "enable_seqscan": "off",
    "enable_sort": "off",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "plan_cache_mode": "force_custom_plan",
    "statement_timeout": str(int(SEARCH_TIMEOUT * 1000)),
}
"""Has PostgreSQL's planner walk along an index that has the order, and plan for the actual values."""


class Begin(SQLiteDialect_pysqlite):
    """The driver would begin transactions implicitly, and late. An event that executes a statement would cost
    three times as much as this."""

    supports_statement_cache = True
    begin = "BEGIN"

    def do_begin(self, dbapi_connection: Any) -> None:
        dbapi_connection.execute(self.begin)


class BeginImmediate(Begin):
    """The lock for writing is taken first, so that no transaction fails half-way for want of it."""

    supports_statement_cache = True
    begin = "BEGIN IMMEDIATE"


for _dialect in (Begin, BeginImmediate):
    registry.register(f"sqlite.{_dialect.__name__.lower()}", __name__, _dialect.__name__)


def sqlite(url: URL, dialect: type[Begin], connections: int) -> Engine:
    engine = create_engine(
        url.set(drivername=f"sqlite+{dialect.__name__.lower()}"),
        pool_size=connections,
        max_overflow=0,
        pool_timeout=LOCK_TIMEOUT,
        hide_parameters=True,  # law 7: an error names a statement, never its values
    )

    def connected(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions begin by `do_begin`
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT * 1000)}")
        connection.executescript(_SQLITE_PRAGMAS)
        if dialect is BeginImmediate:
            connection.execute("PRAGMA journal_mode = WAL")

    event.listen(engine, "connect", connected)
    return engine


def postgresql_reader(url: URL, connections: int, patience: float | None) -> Engine:
    """`patience`: seconds that the server may take to answer a statement; None for no bound."""
    return _postgresql(url, connections, patience, {})


def postgresql_searcher(url: URL, connections: int, patience: float | None) -> Engine:
    """Each search sees one snapshot."""
    return _postgresql(url, connections, patience, _SEARCHING, isolation_level="REPEATABLE READ")


def postgresql_writer(url: URL, connections: int, patience: float | None) -> Engine:
    """Waits for a row, and for a frozen node that holds it, come to an end."""
    bounds = {"lock_timeout": LOCK_TIMEOUT, "idle_in_transaction_session_timeout": IDLE_TIMEOUT}
    milliseconds = {name: str(int(seconds * 1000)) for name, seconds in bounds.items()}
    return _postgresql(url, connections, patience, {**milliseconds, **_KEEPALIVES})


def _postgresql(
    url: URL, connections: int, patience: float | None, settings: dict[str, str], **options: Any
) -> Engine:
    """`settings`: of each connection, by the server's names."""
    engine = create_engine(
        url.set(drivername=DRIVER),
        pool_size=min(4, connections),
        max_overflow=max(connections - 4, 0),
        pool_pre_ping=True,
        pool_timeout=LOCK_TIMEOUT,
        hide_parameters=True,
        connect_args=_POSTGRESQL,
        **options,
    )
    bound_answers(engine, patience)

    def connected(connection: Any, _: object) -> None:
        for name, value in settings.items():
            connection.execute(f"SET {name} = {value}")
        connection.commit()

    if settings:
        event.listen(engine, "connect", connected)
    return engine
