"""Threads of its own for a kind of request that takes long, so that it holds up no other kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial, wraps

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from pacs.errors import Unavailable

Endpoint = Callable[[Request], Response]


class Lane:
    """At most `threads` at work, at most `waiting` in line; `Unavailable` for any further one."""

    def __init__(self, threads: int = 16, waiting: int = 512) -> None:
        self._limiter = CapacityLimiter(threads)
        self._waiting = waiting

    def __call__(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        @wraps(endpoint)
        async def answer(request: Request) -> Response:
            if self._limiter.statistics().tasks_waiting >= self._waiting:
                raise Unavailable("too many images are asked for at once; try again soon")
            return await to_thread.run_sync(partial(endpoint, request), limiter=self._limiter)

        return answer
