"""What the listings of large data sets take together in this process (law 6).

One may have as many elements as `Limits.elements`; so may all of them at a time. Whoever would need more is
refused for now: to wait for each other, several would have to give up what they hold.
"""

from __future__ import annotations

from threading import RLock

from pacs.errors import Unavailable

STEP = 100_000
"""Elements that are granted at a time; the first ones are everybody's and are not counted."""

_lock = RLock()  # a garbage collection may drop a share in the midst of granting another
_granted = 0


class Share:
    """One listing's part, given back when it is dropped."""

    __slots__ = ("_covers", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._covers = STEP

    def cover(self, elements: int) -> None:
        """`Unavailable` when others have too much of what `most` allows to all."""
        while elements > self._covers:
            _grant(STEP, self._most)
            self._covers += STEP

    def __del__(self) -> None:
        if self._covers > STEP:
            _grant(STEP - self._covers, self._most)


def _grant(elements: int, most: int) -> None:
    global _granted
    with _lock:
        if elements > 0 and _granted + elements > most:
            raise Unavailable("too many very large data sets are being read; try again soon")
        _granted += elements
