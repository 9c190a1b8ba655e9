"""Removing cached files whose object was deleted, or that are too old, from this node's cache.

They are never served, as the archive looks up the object first; but after a patient's images were
deleted, no pictures of them may remain on a disk. Each node goes through its own cache part by part and
checks which of the objects their organisation still has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import select

from storage.database import Database
from storage.disk_cache import SHARDS, CachedFile, DiskCache
from storage.tables import versions

STRETCH = 8
"""How many of the cache's `SHARDS` one run examines."""
_BATCH = 500  # addresses in one query


@dataclass(frozen=True, slots=True)
class Tidying:
    """`lasts`: the greatest age of a file in seconds."""

    database: Database
    cache: DiskCache
    lasts: float
    now: Callable[[], float] = time.time

    def run(self, after: int = 0) -> int:
        """One bounded run from shard `after` on; returns where the next one begins."""
        for number in range(after, min(after + STRETCH, SHARDS)):
            for organization, files in self.cache.shard(number):
                for each in self._useless(organization, files):
                    self.cache.remove(organization, each.path)
        return (after + STRETCH) % SHARDS

    def _useless(self, organization: int, files: Iterable[CachedFile]) -> Iterable[CachedFile]:
        before = self.now() - self.lasts
        rest = iter(files)
        while batch := list(islice(rest, _BATCH)):
            here = self._here(organization, {each.address for each in batch if each.made >= before})
            yield from (each for each in batch if each.address not in here or each.made < before)

    def _here(self, organization: int, addresses: set[str]) -> set[str]:
        """Those that are a version of an instance of the organisation."""
        if not addresses:
            return set()
        known = select(versions.c.blob).where(versions.c.org_id == organization)
        with self.database.read() as connection:
            return set(connection.execute(known.where(versions.c.blob.in_(sorted(addresses)))).scalars())
