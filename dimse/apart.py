"""Work that may wait long, on a thread beside its association's, which hears the peer meanwhile.

What is given up goes on until its wait ends, and an association begins nothing else here before that: who
asks and cancels, over and over, occupies the database no more than who waits.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, Queue
from typing import Any, TypeVar

from dimse.transport import MEANWHILE_EVERY

_AHEAD = 64  # items that are held for a slow peer
_END = object()

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
    """Items on their way from one thread to another."""

    def __init__(self) -> None:
        self._queue = Queue[Any](_AHEAD)
        self._failure: Exception | None = None
        self._is_given_up = False

    def take(self, items: Iterable[Any]) -> None:
        try:
            for item in items:
                self._queue.put(item)
                if self._is_given_up:
                    return
        except Exception as error:
            self._failure = error
        self._queue.put(_END)

    def taken(self, go_on: Callable[[], None]) -> Iterator[Any]:
        while True:
            try:
                item = self._queue.get(timeout=MEANWHILE_EVERY)
            except Empty:
                go_on()
                continue
            if item is _END:
                break
            yield item
        if self._failure is not None:
            raise self._failure

    def give_up(self) -> None:
        """`take` finds room for what it has taken, and then looks."""
        self._is_given_up = True
        while not self._queue.empty():
            self._queue.get_nowait()
