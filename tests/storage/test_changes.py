"""The change feed: read in order, from where one was."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from pacs.errors import ChangesGone
from storage.changes import SqlChangeFeed
from storage.database import Database
from storage.feeds import transaction
from tests.storage.received import MODALITY


def test_events_are_read_in_order_from_where_one_was(database: Database) -> None:
    with transaction(database) as under_way:
        for n in range(5):
            under_way.announce(MODALITY, "study.received", f"1.2.{n}", n=n)
    first = SqlChangeFeed(database).read(1, after=0, limit=3)
    assert [change.seq for change in first] == [1, 2, 3]
    assert first[0].resource == "1.2.0" and first[0].payload == {"n": 0}
    assert first[0].correlation_id == MODALITY.correlation_id
    assert [change.seq for change in SqlChangeFeed(database).read(1, after=3, limit=3)] == [4, 5]
    assert SqlChangeFeed(database).read(1, after=5, limit=3) == []
    assert SqlChangeFeed(database).read(2, after=0, limit=3) == []


def test_a_reader_from_before_the_known_changes_is_told(database: Database) -> None:
    with transaction(database) as under_way:
        for n in range(5):
            under_way.announce(MODALITY, "study.received", f"1.2.{n}")
    with database.write() as connection:
        connection.execute(text("DELETE FROM changes WHERE seq <= 3"))
    feed = SqlChangeFeed(database)
    assert [change.seq for change in feed.read(1, after=None, limit=9)] == [4, 5]
    assert [change.seq for change in feed.read(1, after=3, limit=9)] == [4, 5]
    for after in (0, 2):
        with pytest.raises(ChangesGone) as told:
            feed.read(1, after, limit=9)
        assert told.value.seq == 3


def test_a_reader_ahead_of_a_restored_database_is_told(database: Database) -> None:
    """Its numbers come to be given anew: who went on waiting for the next one would miss those below it."""
    with transaction(database) as under_way:
        for n in range(5):
            under_way.announce(MODALITY, "study.received", f"1.2.{n}")
    feed = SqlChangeFeed(database)
    assert feed.read(1, 5, limit=9) == []
    for organization, head in ((1, 5), (2, 0)):
        with pytest.raises(ChangesGone) as told:
            feed.read(organization, 6, limit=9)
        assert told.value.seq == head


def test_the_newest_numbers_are_those_of_the_organisations_asked_for(database: Database) -> None:
    with transaction(database) as under_way:
        under_way.announce(MODALITY, "study.received", "1.2.3")
    assert SqlChangeFeed(database).heads([1, 77]) == {1: 1}
    assert SqlChangeFeed(database).heads([]) == {}
