"""A PostgreSQL that froze is told from one that works, whatever waits for it; and it comes back."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest
from sqlalchemy import select, text

from pacs.errors import DatabaseUnavailable
from storage import answer_timeout, engines
from storage.database import Database
from tests.servers import Cluster, cluster
from tests.waiting import eventually


@pytest.fixture(scope="module")
def world() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_timeout, "PING_TIMEOUT", 1.0)
    monkeypatch.setitem(engines._POSTGRESQL, "connect_timeout", 5)


def answers(database: Database) -> bool:
    with database.read() as connection:
        return connection.execute(select(1)).scalar() == 1


def works(database: Database) -> None:
    """Also on a machine that is too busy to answer at once."""

    def answered() -> bool:
        with suppress(DatabaseUnavailable):
            return answers(database)
        return False

    eventually("it answers", answered)


def test_the_first_caller_is_told_and_so_are_later_ones(world: Cluster) -> None:
    with closing(Database(world.url)) as database:
        works(database)
        with world.frozen(), ThreadPoolExecutor(2) as together:
            for asked in [together.submit(answers, database) for _ in range(2)]:  # one finds it idle
                with pytest.raises(DatabaseUnavailable):
                    asked.result()
        works(database)


@pytest.mark.parametrize("way", ["read", "read_row", "write"])
def test_a_waiting_caller_is_told(world: Cluster, way: str) -> None:
    with closing(Database(world.url, patience=2.0)) as database:
        with pytest.raises(DatabaseUnavailable), getattr(database, way)() as connection:
            connection.execute(select(1))
            with world.frozen():
                connection.execute(select(1))
        works(database)


def test_a_committing_caller_is_told(world: Cluster) -> None:
    with closing(Database(world.url, patience=2.0)) as database:
        frozen = world.frozen()
        with pytest.raises(DatabaseUnavailable), database.write() as connection:
            connection.execute(text("CREATE TABLE seen (pk integer)"))
            frozen.__enter__()
        frozen.__exit__(None, None, None)
        works(database)


def test_what_the_server_says_leaves_the_connection_open(
    world: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engines._POSTGRESQL, "connect_timeout", 60)
    with closing(Database(world.url)) as database, closing(database.own_connection()) as own:
        with pytest.raises(Exception, match="statement timeout"), own.transaction():
            own.execute("SET LOCAL statement_timeout = 50")  # a busy machine needs more for the others
            own.execute("SELECT pg_sleep(60)")
        assert not own.closed
        assert not list(own.notifies(timeout=0.01))  # nor is it silence that nobody has news
        assert own.execute("SELECT 1").fetchone() == (1,)
