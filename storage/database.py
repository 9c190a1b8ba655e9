"""One database, SQLite or PostgreSQL by URL; every transaction of the archive begins here.

Make a `Database` after forking: connections and locks do not survive it.

SQLite has one writer at a time. Its own waiting is polling, in which the unlucky starve; so the
writers of one file first queue at a lock file beside it (`storage.turns`).

Waiting for others has an end: for a turn, a connection, an answer, what a stranger or a frozen node has
locked.
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

# The log is carried over into the database every 16 MiB rather than every 4: it costs several waits
# for the disk, and a commit costs 80 KiB. The cache is each connection's own.
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
    "tcp_user_timeout": 15_000,  # milliseconds: a node that vanished is noticed, not waited for
    "application_name": "pacs",
}


_WRITERS = 4
AT_HAND = 4
"""SQLite's connections for looking at single rows; a core has nothing of more."""

TURN = 15.0
"""Seconds that a writer waits for those before it, and for rows that another transaction holds."""
STRANGER = 3.0
"""Seconds that SQLite waits for a writer that is none of ours, while all of ours wait behind it."""
IDLE = 60.0
"""Seconds after which PostgreSQL takes the rows from a writer that says nothing: a node that froze."""


class Database:
    """Connections for reading and transactions for writing."""

    def __init__(self, url: str, *, connections: int = 16, silence: float | None = SILENCE) -> None:
        """`connections`: how many one process opens for reading at most.

        `silence`: seconds that a statement of PostgreSQL may take; None where it may take any time.
        """
        parsed = make_url(url)
        self.dialect = parsed.get_backend_name()
        self._turns: Turns | None = None
        self._kept: Connection | None = None
        self._at_hand = SimpleQueue[Connection | None]()
        if self.dialect == "sqlite":
            path = parsed.database or ":memory:"
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, _FILE_MODE))  # before SQLite, which asks umask
            self._turns = Turns(f"{path}.lock")
            self._reader = _sqlite(url, "BEGIN", connections + AT_HAND)
            for _ in range(AT_HAND):
                self._at_hand.put(None)
            self._writer = _sqlite(url, "BEGIN IMMEDIATE", 1)
        else:
            self._reader = _postgresql(parsed, connections, silence)
            self._writer = _postgresql(parsed, _WRITERS, silence)  # its own: readers do not hold it up
            event.listen(self._writer, "connect", _impatient)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection whose statements all see one moment (SQLite) or each its own (PostgreSQL).

        `DatabaseUnavailable` when the database does not answer.
        """
        with database_faults(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def glance(self) -> Iterator[Connection]:
        """`read`, for one row: what SQLAlchemy's pool asks is as much as SQLite asks to find it."""
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
        """One transaction, committed when the block ends and rolled back when it raises."""
        with self._turn(), database_faults(), self._writing() as connection, connection.begin():
            yield connection

    def own_connection(self) -> Any:
        """The driver's connection to PostgreSQL, committing each statement; the caller closes it."""
        with database_faults():
            taken = self._reader.raw_connection()
        connection: Any = taken.driver_connection
        taken.detach()
        connection.autocommit = True
        return connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """SQLite's one writer keeps its connection: taking it from the pool costs more than a row."""
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
        self._writer.dispose()
        if self._turns is not None:
            self._turns.close()


def _postgresql(url: URL, connections: int, silence: float | None) -> Engine:
    engine = create_engine(
        url,
        pool_size=min(4, connections),
        max_overflow=max(connections - 4, 0),
        pool_pre_ping=True,
        pool_timeout=TURN,
        hide_parameters=True,  # law 7: an error names a statement, never its values
        connect_args=_POSTGRESQL,
    )
    bound_silence(engine, silence)
    return engine


def _impatient(connection: Any, _: object) -> None:
    for name, seconds in (("lock_timeout", TURN), ("idle_in_transaction_session_timeout", IDLE)):
        connection.execute(f"SET {name} = {int(seconds * 1000)}")
    connection.commit()


def _sqlite(url: str, begin: str, connections: int) -> Engine:
    engine = create_engine(
        url, pool_size=connections, max_overflow=0, pool_timeout=TURN, hide_parameters=True
    )

    def connected(connection: Any, _: object) -> None:
        connection.isolation_level = None  # sqlite3 would begin transactions by itself, and late
        connection.execute(f"PRAGMA busy_timeout = {int(STRANGER * 1000)}")
        connection.executescript(_SQLITE_PRAGMAS)
        if begin != "BEGIN":
            connection.execute("PRAGMA journal_mode = WAL")

    def begun(connection: Any) -> None:
        connection.execute(begin)

    event.listen(engine, "connect", connected)
    engine.dialect.do_begin = begun  # type: ignore[method-assign, assignment]  # an event's statement costs thrice that
    return engine
