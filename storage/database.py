"""One database, SQLite or PostgreSQL by URL; every transaction of the archive is begun here.

Create a `Database` after forking: connections and locks do not survive a fork.

SQLite has one writer at a time. Its own busy handler polls, which can starve a writer; so the
writers of one file first queue at a lock file beside it (`storage.turns`).

Every wait is bounded: for a writer's turn, a connection, an answer, and a lock held by a foreign
process or a frozen node.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url

from pacs.errors import DatabaseUnavailable
from storage.faults import database_faults
from storage.silence import SILENCE, bound_silence
from storage.turns import Turns

_FILE_MODE = 0o640

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


_SEARCHERS, _WRITERS = 6, 4
"""PostgreSQL connections of one process for searches (of those for reading) and for writing. A node's five
processes stay below the hundred that PostgreSQL allows by default."""
AT_HAND = 4
"""SQLite connections for reading single rows; more than one per core is of no use."""

TURN = 15.0
"""Seconds that a writer waits for its turn, and for rows that another transaction has locked."""
STRANGER = 3.0
"""Seconds that SQLite waits for a foreign writer, while all of ours wait behind it."""
IDLE = 60.0
"""Seconds after which PostgreSQL ends an idle transaction and frees its rows: its node is frozen."""
_KEEPALIVES = {"tcp_keepalives_idle": 10, "tcp_keepalives_interval": 5, "tcp_keepalives_count": 3}
"""By which PostgreSQL notices that a node has vanished, in seconds; after hours by default."""
PATIENCE = 10.0
"""Seconds after which one statement of a search is given up; at a million studies the worst takes 3."""

_SEARCHING = {
    "enable_seqscan": "off",
    "enable_sort": "off",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "plan_cache_mode": "force_custom_plan",
    "statement_timeout": str(int(PATIENCE * 1000)),
}
"""PostgreSQL's planner: along an index where one has the order, and for the actual values."""


class Database:
    """Connections for reading and transactions for writing."""

    def __init__(self, url: str, *, connections: int = 14, silence: float | None = SILENCE) -> None:
        """`connections`: the most that one process opens for reading.

        `silence`: seconds that PostgreSQL may take to answer a statement; None for no bound.
        """
        parsed = make_url(url)
        self.dialect = parsed.get_backend_name()
        self._turns: Turns | None = None
        self._kept: Connection | None = None
        self._at_hand = SimpleQueue[Connection | None]()
        if self.dialect == "sqlite":
            path = parsed.database or ":memory:"
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, _FILE_MODE))  # SQLite would use the umask
            self._turns = Turns(f"{path}.lock")
            self._reader = _sqlite(url, "BEGIN", connections + AT_HAND)
            for _ in range(AT_HAND):
                self._at_hand.put(None)
            self._searcher = self._reader
            self._writer = _sqlite(url, "BEGIN IMMEDIATE", 1)
        else:
            self._reader = _postgresql(parsed, connections - _SEARCHERS, silence)
            self._searcher = _postgresql(parsed, _SEARCHERS, silence, isolation_level="REPEATABLE READ")
            event.listen(self._searcher, "connect", _searching)
            self._writer = _postgresql(parsed, _WRITERS, silence)  # a pool of its own, not used up by readers
            event.listen(self._writer, "connect", _impatient)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection whose statements share one snapshot (SQLite) or see one each (PostgreSQL).

        `DatabaseUnavailable` when the database does not answer.
        """
        with database_faults(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def search(self) -> Iterator[Connection]:
        """`read` in one snapshot on both databases, by a planner that is set for searches."""
        with database_faults(), self._searcher.connect() as connection:
            yield connection

    @contextmanager
    def glance(self) -> Iterator[Connection]:
        """`read` for a single row, without SQLAlchemy's pool, which would double the cost in SQLite."""
        if self._turns is None:
            with self.read() as connection:
                yield connection
            return
        with database_faults():
            kept = self._take_at_hand()
            try:
                kept = kept or self._reader.connect()
                yield kept
                if kept.in_transaction():
                    kept.rollback()
            except BaseException:
                if kept is not None:
                    kept.close()
                    kept = None
                raise
            finally:
                self._at_hand.put(kept)

    def _take_at_hand(self) -> Connection | None:
        try:
            return self._at_hand.get(timeout=TURN)
        except Empty:
            raise DatabaseUnavailable from None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, committed at the end of the block and rolled back when it raises."""
        with self._turn(), database_faults(), self._writing() as connection, connection.begin():
            yield connection

    def own_connection(self) -> Any:
        """A driver connection to PostgreSQL in autocommit mode; the caller closes it."""
        with database_faults():
            taken = self._reader.raw_connection()
        connection: Any = taken.driver_connection
        taken.detach()
        connection.autocommit = True
        return connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """SQLite's single writer keeps its connection: the pool costs more than writing a row."""
        if self._turns is None:
            with self._writer.connect() as connection:
                yield connection
            return
        if self._kept is None:
            self._kept = self._writer.connect()
        try:
            yield self._kept
        except BaseException:
            kept, self._kept = self._kept, None
            kept.close()
            raise

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self._turns is None:
            yield
            return
        self._turns.take(TURN)
        try:
            yield
        finally:
            self._turns.give_back()

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
        with suppress(Empty):
            while True:
                if (idle := self._at_hand.get_nowait()) is not None:
                    idle.close()
        self._reader.dispose()
        self._searcher.dispose()
        self._writer.dispose()
        if self._turns is not None:
            self._turns.close()


def _postgresql(url: URL, connections: int, silence: float | None, **options: Any) -> Engine:
    engine = create_engine(
        url,
        pool_size=min(4, connections),
        max_overflow=max(connections - 4, 0),
        pool_pre_ping=True,
        pool_timeout=TURN,
        hide_parameters=True,  # law 7: an error names a statement, never its values
        connect_args=_POSTGRESQL,
        **options,
    )
    bound_silence(engine, silence)
    return engine


def _impatient(connection: Any, _: object) -> None:
    for name, seconds in (("lock_timeout", TURN), ("idle_in_transaction_session_timeout", IDLE)):
        connection.execute(f"SET {name} = {int(seconds * 1000)}")
    for name, number in _KEEPALIVES.items():
        connection.execute(f"SET {name} = {number}")
    connection.commit()


def _searching(connection: Any, _: object) -> None:
    for name, value in _SEARCHING.items():
        connection.execute(f"SET {name} = {value}")
    connection.commit()


def _sqlite(url: str, begin: str, connections: int) -> Engine:
    engine = create_engine(
        url, pool_size=connections, max_overflow=0, pool_timeout=TURN, hide_parameters=True
    )

    def connected(connection: Any, _: object) -> None:
        connection.isolation_level = None  # sqlite3 would begin transactions implicitly, and late
        connection.execute(f"PRAGMA busy_timeout = {int(STRANGER * 1000)}")
        connection.executescript(_SQLITE_PRAGMAS)
        if begin != "BEGIN":
            connection.execute("PRAGMA journal_mode = WAL")

    def begun(connection: Any) -> None:
        connection.execute(begin)

    event.listen(engine, "connect", connected)
    engine.dialect.do_begin = begun  # type: ignore[method-assign, assignment]  # an event's statement costs thrice that
    return engine
