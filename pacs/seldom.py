"""What goes on failing is logged now and then, with how often it did, and not each time."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY = 10.0
"""Seconds."""


class Seldom:
    """For one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = float("-inf")
        self._count = 0

    def times(self) -> int:
        """It happened once more: how often since this was last told, or 0 when it is too early to tell."""
        self._count += 1
        now = self._clock()
        if now < self._next:
            return 0
        self._next, told, self._count = now + EVERY, self._count, 0
        return told
