"""A fair semaphore: places are given in the order of arrival, so that no waiter starves."""

from __future__ import annotations

import threading
from collections import deque


class FairSemaphore:
    def __init__(self, places: int) -> None:
        self._free = places
        self._lock = threading.Lock()
        self._waiting = deque[threading.Event]()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def acquire(self, seconds: float) -> bool:
        """Whether a place was obtained within `seconds`; hold it until `release`."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Event()
            self._waiting.append(turn)
        if turn.wait(seconds):
            return True
        with self._lock:
            if turn.is_set():  # it was granted at the very moment of giving up
                return True
            self._waiting.remove(turn)
            return False

    def release(self) -> None:
        """Passes the place to the longest waiter, if there is one."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1
