"""Files whose every byte was hashed a short while ago, by this process, and found to be what was stored.

They are not hashed again for the next reader: their bytes still come from the memory that they were checked
in. A file that anybody touched since is another one. Who must know (`holds`, `pacs verify`) asks nobody here.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

LASTING = 600.0  # seconds; reading it meanwhile makes it no longer
MOST = 50_000
SETTLED = 2.0
"""Seconds that a file must have been left alone: changed twice within a tick of the clock, it looks the
same."""

State = tuple[int, int, int, int, int]


class FoundWhole:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[State, float]] = {}

    def knows(self, address: str, file: os.stat_result) -> bool:
        state, until = self._known.get(address, (None, 0.0))
        return state == _state(file) and self._clock() < until

    def note(self, address: str, file: os.stat_result) -> None:
        """`file`: as it was before the first of its bytes was read."""
        if time.time() - max(file.st_mtime, file.st_ctime) < SETTLED:
            return
        with self._lock:
            self._known.pop(address, None)
            if len(self._known) >= MOST:
                self._known.pop(next(iter(self._known)))
            self._known[address] = _state(file), self._clock() + LASTING


def _state(file: os.stat_result) -> State:
    return file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns, file.st_ctime_ns
