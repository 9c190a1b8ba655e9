"""Remembers the files whose bytes this process has verified a short while ago.

They are not hashed again for the next reader, as they are still in the page cache. A file whose metadata
changed since is verified anew. `holds` and `pacs verify`, which must be certain, do not use this.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

LIFETIME = 600.0  # seconds; reading the file does not extend them
CAPACITY = 50_000
SETTLED = 2.0
"""Seconds since a file's last change before it is remembered: two changes within one tick of the clock
have the same timestamp."""

State = tuple[int, int, int, int, int]


class VerifiedFiles:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[State, float]] = {}

    def knows(self, address: str, file: os.stat_result) -> bool:
        state, until = self._known.get(address, (None, 0.0))
        return state == _state(file) and self._clock() < until

    def note(self, address: str, file: os.stat_result) -> None:
        """`file`: its status from before its first byte was read."""
        if time.time() - max(file.st_mtime, file.st_ctime) < SETTLED:
            return
        with self._lock:
            self._known.pop(address, None)
            if len(self._known) >= CAPACITY:
                self._known.pop(next(iter(self._known)))
            self._known[address] = _state(file), self._clock() + LIFETIME


def _state(file: os.stat_result) -> State:
    return file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns, file.st_ctime_ns
