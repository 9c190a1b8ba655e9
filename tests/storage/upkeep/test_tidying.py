"""No picture of what was deleted stays on the disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacs.actor import Actor
from storage.blobs import BlobStore
from storage.database import Database
from storage.disk_cache import SHARDS, DiskCache
from storage.study_management.studies import SqlStudyManagement
from storage.upkeep.tidying import STRETCH, Tidying
from tests.storage.shelf import Shelf, shelf_of

USER = Actor(1, "user", "admin@example.org", "127.0.0.1", "abc")
DAY = 86_400.0


@pytest.fixture
def shelf(database: Database, blobs: BlobStore) -> Iterator[Shelf]:
    with shelf_of(database, blobs) as made:
        yield made


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[DiskCache]:
    made = DiskCache(tmp_path / "cache", 1 << 20)
    yield made
    made.close()


def whole_round(tidying: Tidying) -> None:
    after, rounds = tidying.run(0), 1
    while after:
        after, rounds = tidying.run(after), rounds + 1
    assert rounds == SHARDS // STRETCH


def kept(cache: DiskCache, organization: int, address: str) -> bool:
    return cache.get(organization, address, "picture", 10 * DAY) is not None


def test_what_was_made_of_a_deleted_object_goes(shelf: Shelf, cache: DiskCache) -> None:
    items = [shelf.store(b"object %d" % n, study=n, series=n, instance=n) for n in range(4)]
    for each in items:
        cache.put(1, each.blob.address, "picture", b"x")
        cache.put(1, each.blob.address, "thumbnail", b"x")
    gone = items[0]
    study = gone.identity.study_instance_uid
    SqlStudyManagement(shelf.database).delete(USER, study, None, "sent by mistake")
    assert shelf.blobs.missing([gone.blob]) == []  # its bytes are kept for the retention period
    whole_round(Tidying(shelf.database, cache, DAY))
    assert [kept(cache, 1, each.blob.address) for each in items] == [False, True, True, True]
    assert cache.statistics(1).entries == 6


def test_what_another_organisation_still_has_is_its_alone(shelf: Shelf, cache: DiskCache) -> None:
    item = shelf.store(b"of both")
    for organization in (1, 2):
        cache.put(organization, item.blob.address, "picture", b"x")
    whole_round(Tidying(shelf.database, cache, DAY))
    assert (kept(cache, 1, item.blob.address), kept(cache, 2, item.blob.address)) == (True, False)


def test_what_is_too_old_goes_though_nobody_asks_for_it(
    shelf: Shelf, cache: DiskCache, tmp_path: Path
) -> None:
    item = shelf.store(b"old")
    cache.put(1, item.blob.address, "picture", b"x")
    whole_round(Tidying(shelf.database, cache, DAY))
    assert kept(cache, 1, item.blob.address)
    whole_round(Tidying(shelf.database, cache, DAY, now=lambda: time.time() + 2 * DAY))
    assert cache.statistics(1).entries == 0


def test_files_of_an_earlier_build_go(shelf: Shelf, cache: DiskCache, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "1" / "ab"
    folder.mkdir(parents=True)
    (folder / ("ab" * 32)).write_bytes(b"x")
    whole_round(Tidying(shelf.database, cache, DAY))
    assert list(folder.iterdir()) == []
