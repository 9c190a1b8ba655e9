"""Waiting for others has an end, and what they held is free again when they are gone."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

import pytest
from sqlalchemy import make_url, text

from pacs.errors import DatabaseUnavailable
from storage import engines
from storage.database import ROW_READERS, Database
from tests.waiting import eventually

MINE = text("UPDATE org_heads SET change_seq = change_seq + 1 WHERE org_id = 1")


@contextmanager
def opened(url: str) -> Iterator[Database]:
    with closing(Database(url)) as database:
        yield database


def write(database: Database) -> None:
    with database.write() as connection:
        connection.execute(MINE)


def writes(database: Database) -> bool:
    with suppress(DatabaseUnavailable):
        write(database)
        return True
    return False


def test_sqlite_does_not_wait_for_ever_for_a_stranger(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_TIMEOUT", 0.05)
    path = make_url(sqlite_url).database
    assert path
    with opened(sqlite_url) as database, closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseUnavailable):
            write(database)
        with database.read() as connection:  # which needs no turn
            assert connection.execute(text("SELECT count(*) FROM org_heads")).scalar()
        stranger.execute("ROLLBACK")
        write(database)


def test_a_writer_without_a_turn_is_told(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "LOCK_TIMEOUT", 0.05)
    with opened(sqlite_url) as database:
        writing, over = threading.Event(), threading.Event()

        def first() -> None:
            with database.write():
                writing.set()
                over.wait(60)

        thread = threading.Thread(target=first)
        thread.start()
        writing.wait(60)
        with pytest.raises(DatabaseUnavailable):
            write(database)
        over.set()
        thread.join()
        write(database)


def test_a_row_that_is_held_for_long_is_not_waited_for(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "LOCK_TIMEOUT", 0.05)
    with opened(postgresql_url) as one, opened(postgresql_url) as other:
        with one.write() as connection:
            connection.execute(MINE)
            with pytest.raises(DatabaseUnavailable):
                write(other)
        write(other)


def test_a_node_that_froze_loses_what_it_held(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        other = stack.enter_context(opened(postgresql_url))  # which may be slow
        monkeypatch.setattr(engines, "IDLE_TIMEOUT", 1.0)
        frozen = stack.enter_context(opened(postgresql_url))
        with pytest.raises(DatabaseUnavailable), frozen.write() as connection:
            connection.execute(MINE)
            write(other)  # which waits until the database has taken the row back
            connection.execute(MINE)
        eventually("it writes again", lambda: writes(frozen))


def test_a_commit_is_on_stable_storage(database_url: str) -> None:
    """Law 1: SQLite in WAL mode waits for the disk at each commit only when it is told to."""
    with opened(database_url) as database, database.write() as connection:
        if database.dialect == "sqlite":
            asked = {"PRAGMA journal_mode": "wal", "PRAGMA synchronous": 2, "PRAGMA foreign_keys": 1}
        else:
            asked = {"SHOW synchronous_commit": "on"}
        assert {each: connection.execute(text(each)).scalar() for each in asked} == asked


def test_nothing_is_left_behind_by_reading_a_row(database_url: str) -> None:
    """What one leaves behind, a transaction or an error, the next one does not see."""
    seen = text("SELECT change_seq FROM org_heads WHERE org_id = 1")
    with opened(database_url) as database:
        for expected in range(3):
            for _ in range(2 * ROW_READERS):
                with database.read_row() as connection:
                    assert connection.execute(seen).scalar() == expected
            with pytest.raises(ZeroDivisionError), database.read_row() as connection:
                assert connection.execute(seen).scalar() == expected
                raise ZeroDivisionError
            write(database)


def test_whoever_waits_to_read_a_row_is_told(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "LOCK_TIMEOUT", 0.05)
    with opened(sqlite_url) as database, ExitStack() as held:
        for _ in range(ROW_READERS):
            held.enter_context(database.read_row())
        with pytest.raises(DatabaseUnavailable), database.read_row():
            pass


def test_a_transaction_that_writes_begins_as_a_writer(sqlite_url: str) -> None:
    """Else a transaction that has read would fail when it writes, as others have written meanwhile."""
    for way, begin in (("read", "BEGIN"), ("search", "BEGIN"), ("write", "BEGIN IMMEDIATE")):
        with opened(sqlite_url) as database:
            with getattr(database, way)() as connection:
                driver = connection.connection.dbapi_connection
            seen: list[str] = []
            driver.set_trace_callback(seen.append)
            with getattr(database, way)() as connection:
                assert connection.execute(text("SELECT 1")).scalar() == 1
                assert connection.connection.dbapi_connection is driver
            driver.set_trace_callback(None)
            assert seen[:2] == [begin, "SELECT 1"]
