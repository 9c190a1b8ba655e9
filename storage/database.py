"""One database, SQLite or PostgreSQL by URL; every transaction of the archive is begun here.

Create a `Database` after forking: connections and locks do not survive a fork.

SQLite has one writer at a time. Its own busy handler polls, which can starve a writer; so the
writers of one file first queue at a lock file beside it (`storage.writer_lock`).

Every wait is bounded: for a writer's turn, a connection, an answer, and a lock held by a foreign
process or a frozen node.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any

from sqlalchemy import Connection, make_url

from pacs.errors import DatabaseUnavailable
from storage import engines
from storage.answer_timeout import ANSWER_TIMEOUT
from storage.faults import database_faults
from storage.writer_lock import WriterLock

_FILE_MODE = 0o640

_SEARCHERS, _WRITERS = 6, 4
"""PostgreSQL connections of one process for searches (of those for reading) and for writing. A node's five
processes stay below the hundred that PostgreSQL allows by default."""
ROW_READERS = 4
"""SQLite connections for reading single rows; more than one per core is of no use."""


class Database:
    """Connections for reading and transactions for writing."""

    def __init__(self, url: str, *, connections: int = 14, patience: float | None = ANSWER_TIMEOUT) -> None:
        """`connections`: the most that one process opens for reading.

        `patience`: seconds that PostgreSQL may take to answer a statement; None for no bound.
        """
        parsed = make_url(url)
        self.dialect = parsed.get_backend_name()
        self._writer_lock: WriterLock | None = None
        self._kept_writer: Connection | None = None
        self._row_readers = SimpleQueue[Connection | None]()
        if self.dialect == "sqlite":
            path = parsed.database or ":memory:"
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, _FILE_MODE))  # SQLite would use the umask
            self._writer_lock = WriterLock(f"{path}.lock")
            self._reader = engines.sqlite(parsed, engines.Begin, connections + ROW_READERS)
            for _ in range(ROW_READERS):
                self._row_readers.put(None)
            self._searcher = self._reader
            self._writer = engines.sqlite(parsed, engines.BeginImmediate, 1)
        else:
            self._reader = engines.postgresql_reader(parsed, connections - _SEARCHERS, patience)
            self._searcher = engines.postgresql_searcher(parsed, _SEARCHERS, patience)
            self._writer = engines.postgresql_writer(parsed, _WRITERS, patience)  # readers cannot use them up

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
    def read_row(self) -> Iterator[Connection]:
        """`read` for a single row, without SQLAlchemy's pool, which would double the cost in SQLite."""
        if self._writer_lock is None:
            with self.read() as pooled:
                yield pooled
            return
        with database_faults():
            connection = self._row_reader()
            try:
                connection = connection or self._reader.connect()
                yield connection
                if connection.in_transaction():
                    connection.rollback()
            except BaseException:
                if connection is not None:
                    connection.close()
                    connection = None
                raise
            finally:
                self._row_readers.put(connection)

    def _row_reader(self) -> Connection | None:
        """None where it is not open yet."""
        try:
            return self._row_readers.get(timeout=engines.LOCK_TIMEOUT)
        except Empty:
            raise DatabaseUnavailable from None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, committed at the end of the block and rolled back when it raises."""
        with self._locked(), database_faults(), self._writing() as connection, connection.begin():
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
        if self._writer_lock is None:
            with self._writer.connect() as connection:
                yield connection
            return
        if self._kept_writer is None:
            self._kept_writer = self._writer.connect()
        try:
            yield self._kept_writer
        except BaseException:
            self._kept_writer.close()
            self._kept_writer = None
            raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._writer_lock is None:
            yield
            return
        self._writer_lock.acquire(engines.LOCK_TIMEOUT)
        try:
            yield
        finally:
            self._writer_lock.release()

    def close(self) -> None:
        if self._kept_writer is not None:
            self._kept_writer.close()
        with suppress(Empty):
            while True:
                if (idle := self._row_readers.get_nowait()) is not None:
                    idle.close()
        self._reader.dispose()
        self._searcher.dispose()
        self._writer.dispose()
        if self._writer_lock is not None:
            self._writer_lock.close()
