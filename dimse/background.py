"""Ends of operations that a peer does not wait for, beside its next requests (PS3.7 §D.3.3.3)."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_WORKERS = 8  # threads of one association: enough to share commits


class Background:
    """`window`: how many may be under way; one more waits for a place."""

    def __init__(self, window: int) -> None:
        self._places = threading.BoundedSemaphore(window)
        self._workers = ThreadPoolExecutor(min(window, _WORKERS), thread_name_prefix="commit")

    def do(self, work: Callable[[], None]) -> None:
        self._places.acquire()
        begun = threading.Lock()
        try:
            self._workers.submit(contextvars.copy_context().run, self._do_once, work, begun)
        except RuntimeError:  # no further thread can be had; as it is in the queue, a worker may take it
            self._do_once(work, begun)

    def _do_once(self, work: Callable[[], None], begun: threading.Lock) -> None:
        if not begun.acquire(blocking=False):
            return
        try:
            work()
        finally:
            self._places.release()

    def settle(self) -> None:
        """Wait until all is done; nothing more is taken."""
        self._workers.shutdown(wait=True)
