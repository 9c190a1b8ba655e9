"""From the event loop to threads and back, at less than half the cost of an executor, whose futures each have
a lock of their own and wake the loop twice.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from queue import SimpleQueue
from typing import Any, TypeVar

from pacs.errors import Unavailable

T = TypeVar("T")

_Work = tuple["asyncio.Future[Any]", Context, Callable[..., Any], tuple[Any, ...]]


class Workers:
    """At most `most` threads, started as they are needed; a process does not wait for them when it ends."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._work: SimpleQueue[_Work] = SimpleQueue()
        self._threads = 0
        self._under_way = 0
        """Counted in the event loop, hence without a lock."""

    def run(self, function: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        """Begins at once when a thread is free; the log's context variables go along.

        What is cancelled before it began is not done. `Unavailable` when there is no thread.
        """
        if self._threads < min(self._under_way + 1, self._most):
            self._hire()
        self._under_way += 1
        future = asyncio.get_running_loop().create_future()
        self._work.put((future, copy_context(), function, arguments))
        return future

    def _hire(self) -> None:
        try:
            threading.Thread(target=self._serve, name=self._name, daemon=True).start()
        except RuntimeError:  # the machine allows no more: those who are there do it
            if not self._threads:
                raise Unavailable("no thread can be started; try again soon") from None
        else:
            self._threads += 1

    def _serve(self) -> None:
        while True:
            self._do(*self._work.get())

    def _do(
        self,
        future: asyncio.Future[Any],
        context: Context,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
    ) -> None:
        try:
            result = None if future.cancelled() else context.run(function, *arguments)
        except StopIteration:  # which no future takes
            self._tell(future, future.set_exception, RuntimeError(f"StopIteration in {function}"))
        except BaseException as error:
            self._tell(future, future.set_exception, error)
        else:
            self._tell(future, future.set_result, result)

    def _tell(self, future: asyncio.Future[Any], settle: Callable[[Any], None], outcome: Any) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            future.get_loop().call_soon_threadsafe(self._told, future, settle, outcome)

    def _told(self, future: asyncio.Future[Any], settle: Callable[[Any], None], outcome: Any) -> None:
        self._under_way -= 1
        if not future.cancelled():
            settle(outcome)
