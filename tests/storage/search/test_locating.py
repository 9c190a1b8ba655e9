"""What a retrieval selects is listed whole, page by page."""

from __future__ import annotations

import pytest

from pacs.attributes import BY_KEYWORD, Level
from pacs.search.query import Condition, OneOf, Query
from storage.database import Database
from storage.search import pages as search
from storage.search import tuning
from tests.storage.received import received, uid
from tests.storage.world import opened, store

NUMBERS = [3, 1, 7, 5, 2, 6, 4]


@pytest.mark.parametrize("page", [1, 2, 7, 1000])
def test_every_instance_once_in_the_order_of_its_number(
    database: Database, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(tuning, "LOCATED", page)
    with opened(database) as entries:
        for number in NUMBERS:
            store(entries, received(instance=number))
        store(entries, received(study=2))
    condition = Condition(BY_KEYWORD["StudyInstanceUID"], OneOf((uid(1),)))
    found = list(search.locate(database, 1, Query(Level.IMAGE, (condition,))))
    assert [one.identity for one in found] == [
        received(instance=number).identity for number in sorted(NUMBERS)
    ]
    assert [one.blob for one in found] == [received(instance=number).blob for number in sorted(NUMBERS)]
    assert list(search.locate(database, 2, Query(Level.IMAGE, (condition,)))) == []
