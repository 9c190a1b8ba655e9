"""Work that may wait for a long time, on a second thread, while the association's own listens to the peer.

Work that was given up goes on until its wait ends, and the association starts nothing else here before that:
a peer that keeps asking and cancelling occupies the database no more than one that waits.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from dimse.transport import MEANWHILE_EVERY

_AHEAD = 32  # items that wait for a slow peer, beside as many that are being sent to it

T = TypeVar("T")


class Apart:
    """The threads of one association."""

    def __init__(self) -> None:
        self._given_up: list[threading.Thread] = []

    def each(self, items: Iterable[T], go_on: Callable[[], None]) -> Iterator[T]:
        """`items` as they come; `go_on` is called several times a second while none does, and may raise."""
        while waiting := [thread for thread in self._given_up if thread.is_alive()]:
            waiting[0].join(MEANWHILE_EVERY)
            go_on()
        self._given_up.clear()
        taking = _Taking()
        thread = threading.Thread(
            target=contextvars.copy_context().run, args=(taking.take, items), name="apart", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no further thread can be had
            yield from items
            return
        try:
            yield from taking.taken(go_on)
        finally:
            taking.give_up()
            self._given_up.append(thread)


class _Taking:
    """Items on their way from one thread to another, which takes all that have gathered: each hand-over wakes
    a thread, which costs more than making an item."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._come: list[Any] = []
        self._is_over = False
        self._failure: Exception | None = None
        self._is_given_up = False

    def take(self, items: Iterable[Any]) -> None:
        try:
            for item in items:
                self._put(item)
                if self._is_given_up:
                    return
        except Exception as error:
            self._failure = error
        with self._changed:
            self._is_over = True
            self._changed.notify()

    def _put(self, item: Any) -> None:
        with self._changed:
            self._come.append(item)
            self._changed.notify()
            while len(self._come) >= _AHEAD and not self._is_given_up:
                self._changed.wait()

    def taken(self, go_on: Callable[[], None]) -> Iterator[Any]:
        is_over = False
        while not is_over:
            come, is_over = self._wait()
            yield from come
            if not come and not is_over:
                go_on()
        if self._failure is not None:
            raise self._failure

    def _wait(self) -> tuple[list[Any], bool]:
        """What has come, perhaps nothing within a moment, and whether that is the last."""
        with self._changed:
            self._changed.wait_for(lambda: self._come or self._is_over, MEANWHILE_EVERY)
            come, self._come = self._come, []
            self._changed.notify()
            return come, self._is_over

    def give_up(self) -> None:
        with self._changed:
            self._is_given_up = True
            self._changed.notify()
