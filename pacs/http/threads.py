"""From the event loop into threads and back. This is the only way, so it is here that one request can make
another one wait.

The loop only ever waits for peers. What may wait for the disk, the database or a codec runs in a pool, and a
full pool delays no work but its own:

| pool | runs | when it is full |
|---|---|---|
| `REQUESTS` | endpoints that are plain functions, queries of the others | requests queue |
| one for each slow kind of request | retrieving, rendering, metadata | requests queue; beyond that, 503 |
| `streaming.BODIES` | the next mebibyte of a body while the last one is sent | bodies wait |
| `intake.IntakePool` | storing what is received, a mebibyte ahead | senders wait; beyond that, 503 |
| of `rest.sign_in` | hashing passwords | sign-ins queue; beyond that, 503 |
| of `health` | health checks, answered whatever else is full | they share one run |

Before all of them, `connection_limit` bounds the connections.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context, copy_context
from functools import wraps
from queue import SimpleQueue
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from pacs.errors import Unavailable

T = TypeVar("T")

_Call = tuple["asyncio.Future[Any]", Context, Callable[..., Any], tuple[Any, ...]]


class ThreadPool:
    """At most `threads`, started as they are needed; a process does not wait for them when it ends.

    `queue`: calls that may wait for a thread; None where the callers bound them. A call costs less than half
    of an executor's, whose futures each have a lock of their own and wake the loop twice.
    """

    def __init__(self, name: str, threads: int, queue: int | None = None) -> None:
        self._name = name
        self._most_threads = threads
        self._most_calls = None if queue is None else threads + queue
        self._queue: SimpleQueue[_Call] = SimpleQueue()
        self._threads = 0
        self._calls = 0
        """Queued and running ones; counted in the event loop, hence without a lock."""

    def run(self, function: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        """Call `function` in a thread, which gets the log's context variables.

        A call that is cancelled before it began is not made; one that has begun goes on. `Unavailable` when
        the queue is full or there is no thread.
        """
        if self._most_calls is not None and self._calls >= self._most_calls:
            raise Unavailable("too many such requests at once; try again soon")
        if self._threads < min(self._calls + 1, self._most_threads):
            self._start_thread()
        self._calls += 1
        future = asyncio.get_running_loop().create_future()
        self._queue.put((future, copy_context(), function, arguments))
        return future

    def endpoint(self, function: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint whose work is done in this pool."""

        @wraps(function)
        async def answer(request: Request) -> Response:
            return await self.run(function, request)

        return answer

    def _start_thread(self) -> None:
        try:
            threading.Thread(target=self._serve, name=self._name, daemon=True).start()
        except RuntimeError:  # the machine allows no more: those that run already take the calls
            if not self._threads:
                raise Unavailable("no thread can be started; try again soon") from None
        else:
            self._threads += 1

    def _serve(self) -> None:
        while True:
            self._call(*self._queue.get())

    def _call(
        self,
        future: asyncio.Future[Any],
        context: Context,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
    ) -> None:
        try:
            result = None if future.cancelled() else context.run(function, *arguments)
        except StopIteration:  # a future refuses to hold it
            self._hand_over(future, future.set_exception, RuntimeError(f"StopIteration in {function}"))
        except BaseException as error:
            self._hand_over(future, future.set_exception, error)
        else:
            self._hand_over(future, future.set_result, result)

    def _hand_over(self, future: asyncio.Future[Any], settle: Callable[[Any], None], outcome: Any) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            future.get_loop().call_soon_threadsafe(self._settle, future, settle, outcome)

    def _settle(self, future: asyncio.Future[Any], settle: Callable[[Any], None], outcome: Any) -> None:
        self._calls -= 1
        if not future.cancelled():
            settle(outcome)


REQUEST_THREADS = 40
SLOW_THREADS, SLOW_QUEUE = 16, 512

REQUESTS = ThreadPool("request", REQUEST_THREADS)
"""For what is short. A call waits for a thread rather than being refused, as connections are bounded."""


def pool_of_slow_requests(kind: str) -> ThreadPool:
    """One for each kind, so that it does not delay the other kinds."""
    return ThreadPool(kind, SLOW_THREADS, SLOW_QUEUE)
