"""Consistent paging: instances that arrive while a caller pages do not shift the later pages.

Law: after a first page, the same search by the same caller sees only what existed then. This is
remembered for a while in memory that all processes of a node share, as they are forked after it is made;
without it, pages are counted from the newest, as PS3.18 allows. Deletions do shift pages.
"""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Callable
from hashlib import blake2b

LIFETIME = 600.0
"""Seconds between two pages; a slower caller gets the present state again."""
CAPACITY = 4_096

_ENTRY = struct.Struct("<QdQ")
_NAME = struct.Struct("<Q")


def shared(entries: int = CAPACITY) -> mmap.mmap:
    """Memory shared by this process and those that it forks later."""
    return mmap.mmap(-1, entries * _ENTRY.size)


_NODE = shared()


class Snapshots:
    """The newest key at the time when the first page of a search was answered.

    A fixed-size hash table: a search replaces whichever entry is in the place of its digest.
    """

    def __init__(self, table: mmap.mmap = _NODE, clock: Callable[[], float] = time.monotonic) -> None:
        self._table = table
        self._clock = clock

    def note(self, search: object, last: int) -> None:
        name, place = self._place(search)
        _NAME.pack_into(self._table, place, 0)  # so that no reader combines the halves of two entries
        _ENTRY.pack_into(self._table, place, 0, self._clock() + LIFETIME, last)
        _NAME.pack_into(self._table, place, name)

    def of(self, search: object) -> int | None:
        name, place = self._place(search)
        found, end, last = _ENTRY.unpack_from(self._table, place)
        still = _NAME.unpack_from(self._table, place)[0]
        return last if found == still == name and self._clock() < end else None

    def _place(self, search: object) -> tuple[int, int]:
        name = int.from_bytes(blake2b(repr(search).encode(), digest_size=8).digest(), "little") | 1
        return name, (name >> 1) % (len(self._table) // _ENTRY.size) * _ENTRY.size
