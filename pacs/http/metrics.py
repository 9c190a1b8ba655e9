"""`/metrics`, and the middleware that times and logs each request by its route's pattern."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pacs.http.described import TEXT as STRING
from pacs.http.described import Described, describe
from pacs.http.loopback import is_loopback
from pacs.http.resource import Public
from pacs.metrics import HTTP_SECONDS, Sample, exposition

TEXT = "text/plain; version=0.0.4; charset=utf-8"
log = structlog.get_logger(__name__)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class TimingMiddleware:
    def __init__(self, app: ASGIApp, patterns: Mapping[int, str]) -> None:
        self.app = app
        self.patterns = patterns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500
        begin = time.perf_counter()

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_noting)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            # Never the path itself, which may be anything.
            pattern = self.patterns.get(id(scope.get("endpoint")), "other")
            seconds = time.perf_counter() - begin
            HTTP_SECONDS.labels(method, pattern, str(status)).observe(seconds)
            tell = log.debug if method in _READING else log.info
            tell("request", method=method, route=pattern, status=status, seconds=round(seconds, 6))


def patterns(routes: Iterable[BaseRoute], prefix: str = "") -> Iterator[tuple[int, str]]:
    """`id()` of each route's endpoint (which need not be hashable) and its path pattern, those of mounts
    included, the last first: of an endpoint's several patterns a mapping keeps the first."""
    for each in reversed([*routes]):
        if isinstance(each, Mount):
            yield from patterns(each.routes or (), prefix + each.path)
        elif isinstance(each, Route):
            yield id(each.endpoint), prefix + each.path


class _Metrics(Public):
    """Open to callers on this machine, such as a Prometheus beside the server; others need a token."""

    def is_open_to(self, scope: Scope) -> bool:
        client = scope.get("client")
        return client is not None and is_loopback(client[0])


def route(samples: Mapping[str, tuple[str, Sample]]) -> Route:
    @describe(Described(answers={"text/plain": STRING}))
    def metrics(request: Request) -> Response:
        """Numbers for Prometheus."""
        return Response(exposition(samples), media_type=TEXT)

    return _Metrics("/metrics", metrics)
