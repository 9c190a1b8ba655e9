"""What was too many to be counted is taken for too many for a while.

Of a large archive, finding that out anew would cost several times the page that the count goes with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from weakref import WeakKeyDictionary

from storage.database import Database

LASTS = 600.0
"""Seconds; no archive shrinks much sooner, and then its lists have no count for as long."""


class Crowds:
    """In the memory of one process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: WeakKeyDictionary[Database, dict[Hashable, float]] = WeakKeyDictionary()

    def note(self, database: Database, who: Hashable) -> None:
        self._until.setdefault(database, {})[who] = self._clock() + LASTS

    def known(self, database: Database, who: Hashable) -> bool:
        return self._clock() < self._until.get(database, {}).get(who, 0.0)
