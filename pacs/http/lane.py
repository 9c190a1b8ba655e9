"""Bounded threads for one kind of slow request, so that it does not delay the other kinds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.requests import Request
from starlette.responses import Response

from pacs.errors import Unavailable
from pacs.http.workers import Workers

Endpoint = Callable[[Request], Response]


class Lane:
    """At most `threads` requests run and at most `waiting` queue; `Unavailable` for any further one."""

    def __init__(self, threads: int = 16, waiting: int = 512) -> None:
        self._workers = Workers(threads, "lane")
        self._most = threads + waiting
        self._under_way = 0

    def __call__(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        @wraps(endpoint)
        async def answer(request: Request) -> Response:
            if self._under_way >= self._most:
                raise Unavailable("too many such requests at once; try again soon")
            self._under_way += 1
            try:
                return await self._workers.run(endpoint, request)
            finally:
                self._under_way -= 1

        return answer
