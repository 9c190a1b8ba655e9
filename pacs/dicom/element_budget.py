"""Bounds the memory that the listings of large data sets take together in this process (law 6).

`Limits.elements` is the bound of one data set, and of all large ones together. Whoever would exceed it is
refused rather than made to wait: listings that wait for each other would never end.
"""

from __future__ import annotations

from threading import RLock

from pacs.errors import Unavailable

STEP = 100_000
"""Elements that are reserved at a time. The first ones of each data set are free and not counted."""

_lock = RLock()  # the garbage collector may run `__del__` while this thread reserves
_reserved = 0


class ElementBudget:
    """What one listing has reserved; released when the listing is deleted."""

    __slots__ = ("_covered", "_most")

    def __init__(self, most: int) -> None:
        """`most`: elements of all large data sets together."""
        self._most = most
        self._covered = STEP

    def reserve(self, elements: int) -> None:
        """Make room for this listing to have `elements` in all. `Unavailable` when there is no room."""
        while elements > self._covered:
            _change(STEP, self._most)
            self._covered += STEP

    def __del__(self) -> None:
        if self._covered > STEP:
            _change(STEP - self._covered, self._most)


def _change(elements: int, most: int) -> None:
    global _reserved
    with _lock:
        if elements > 0 and _reserved + elements > most:
            raise Unavailable("too many very large data sets are being read; try again soon")
        _reserved += elements
