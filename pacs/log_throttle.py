"""An error that keeps recurring is logged every few seconds with how often it occurred, not every time."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY = 10.0
"""Seconds between two log entries."""


class LogThrottle:
    """Of one kind of error; used by one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_entry = float("-inf")
        self._count = 0

    def occurrences(self) -> int:
        """Count one more. Returns how many to log, or 0 while it is too early for another entry."""
        self._count += 1
        now = self._clock()
        if now < self._next_entry:
            return 0
        self._next_entry, count, self._count = now + EVERY, self._count, 0
        return count
