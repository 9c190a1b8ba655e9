"""Pages of one search belong together: what comes in between them shows on the next first page.

Law: behind a first page, the same search of the same caller sees only what was there then, so that
nothing new at the top moves answers from one page to the next. This is remembered here, in this
process, for a while; without it pages are counted from the newest, as PS3.18 leaves it. What is
deleted meanwhile does move them.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

LASTS = 600.0
"""Seconds; who pages more slowly is reading something else."""
MOST = 4_096


class Horizons:
    """Which key was the last when the first page of a search was answered."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def note(self, search: Hashable, last: int) -> None:
        with self._lock:
            self._seen[search] = self._clock() + LASTS, last
            self._seen.move_to_end(search)
            if len(self._seen) > MOST:
                self._seen.popitem(last=False)

    def of(self, search: Hashable) -> int | None:
        with self._lock:
            end, last = self._seen.get(search, (0.0, None))
        return last if self._clock() < end else None
