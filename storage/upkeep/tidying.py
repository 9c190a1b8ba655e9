"""What was made of objects does not outlive them in the cache of any node, nor its own time.

Answers never show it, as the archive is asked for the object first; but who deletes a patient's
images wants no pictures of them left on a disk. Each node looks through its own cache, a stretch
at a time, and asks which of the objects its organisation still has.
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
"""Of the cache's `SHARDS`, looked through in one run."""
_BATCH = 500  # addresses in one question


@dataclass(frozen=True, slots=True)
class Tidying:
    """`lasts`: seconds after which whatever is kept is too old."""

    database: Database
    cache: DiskCache
    lasts: float
    now: Callable[[], float] = time.time

    def run(self, after: int = 0) -> int:
        """One bounded run from that shard on; where the next one begins."""
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
        """Those of them that are a version of one of the organisation's instances."""
        if not addresses:
            return set()
        known = select(versions.c.blob).where(versions.c.org_id == organization)
        with self.database.read() as connection:
            return set(connection.execute(known.where(versions.c.blob.in_(sorted(addresses)))).scalars())
