"""Waiting for a job: told of it by PostgreSQL, otherwise for a while at most."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from pacs.jobs.job import NewJob
from storage.database import Database
from storage.jobs.queue import enqueue
from storage.jobs.wakeups import Wakeups
from tests.waiting import eventually

SOON, LONG = 0.2, 60.0  # seconds


@pytest.fixture
def postgresql(postgresql_url: str) -> Iterator[Database]:
    database = Database(postgresql_url)
    yield database
    database.close()


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    """Set at the end: then a connection is given up."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def wakeups(postgresql: Database, stop: threading.Event) -> Iterator[Wakeups]:
    """It listens already."""
    made = Wakeups(postgresql)
    assert not made.wait(stop, SOON)
    yield made
    stop.set()
    made.wait(stop, SOON)


def put(database: Database, later: timedelta = timedelta()) -> None:
    with database.write() as connection:
        enqueue(connection, NewJob("count", {}, later), 1, "")


def listeners(database: Database, column: str = "count(*)") -> int:
    ours = "datname = current_database() AND query LIKE 'LISTEN%'"
    statement = f"SELECT {column} FROM pg_stat_activity WHERE {ours}"
    with database.read() as connection:
        return int(connection.execute(text(statement)).scalar_one())


def test_a_waiter_is_told_of_a_job(postgresql: Database, wakeups: Wakeups, stop: threading.Event) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wakeups.wait, stop, LONG)
        put(postgresql)
        assert waiting.result(LONG / 2)


def test_a_job_that_came_before_the_waiting_counts(
    postgresql: Database, wakeups: Wakeups, stop: threading.Event
) -> None:
    put(postgresql)
    assert wakeups.wait(stop, LONG)
    assert not wakeups.wait(stop, SOON)


def test_nobody_is_told_of_what_is_not_due_or_was_undone(
    postgresql: Database, wakeups: Wakeups, stop: threading.Event
) -> None:
    put(postgresql, timedelta(minutes=1))
    with pytest.raises(RuntimeError), postgresql.write() as connection:
        enqueue(connection, NewJob("count", {}), 1, "")
        raise RuntimeError
    assert not wakeups.wait(stop, SOON)


def test_a_lost_connection_is_made_again(
    postgresql: Database, wakeups: Wakeups, stop: threading.Event
) -> None:
    assert listeners(postgresql) == 1
    listeners(postgresql, "pg_terminate_backend(pid)::int")
    eventually("its connection is gone", lambda: listeners(postgresql) == 0)
    eventually("there is another", lambda: not wakeups.wait(stop, SOON) and listeners(postgresql) == 1)
    put(postgresql)
    assert wakeups.wait(stop, LONG)


def test_a_database_that_is_away_is_waited_for(stop: threading.Event) -> None:
    away = Database("postgresql+psycopg://pacs@127.0.0.1:1/pacs")
    assert not Wakeups(away).wait(stop, SOON)
    away.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_stopping_ends_the_waiting(kind: str, request: pytest.FixtureRequest, stop: threading.Event) -> None:
    database = Database(request.getfixturevalue(f"{kind}_url"))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(Wakeups(database).wait, stop, LONG)
        stop.set()
        assert not waiting.result(LONG / 2)
    if kind == "postgresql":
        eventually("its connection is gone", lambda: listeners(database) == 0)
    database.close()
