"""`/metrics`, and what is counted and logged for each request."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from functools import cache

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from pacs.http.operation import TEXT, Operation, describe
from pacs.http.resource import Public
from pacs.http.route_table import leaves
from pacs.metrics import HTTP_SECONDS, Sample, exposition
from pacs.network import is_loopback

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
log = structlog.get_logger(__name__)
_filter = logging.getLogger(__name__)  # asked first: making an entry costs as much as dropping it

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class RequestMetrics:
    """Counts and logs each request by its route's pattern, never by its path, which may be anything."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        # By `id()`, as an endpoint need not be hashable. If it has several patterns, the first is kept.
        last_first = reversed([*leaves(routes)])
        self._patterns = {id(route.endpoint): prefix + route.path for prefix, route in last_first}

    def note(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        pattern = self._patterns.get(id(scope.get("endpoint")), "other")
        _histogram(method, pattern, status).observe(seconds)
        level = logging.DEBUG if method in _READING else logging.INFO
        if _filter.isEnabledFor(level):
            log.log(level, "request", method=method, route=pattern, status=status, seconds=round(seconds, 6))


_histogram = cache(HTTP_SECONDS.labels)


class _Metrics(Public):
    """Open to callers on this machine, such as a Prometheus beside the server; others need a token."""

    def is_open_to(self, scope: Scope) -> bool:
        client = scope.get("client")
        return client is not None and is_loopback(client[0])


def route(samples: Mapping[str, tuple[str, Sample]]) -> Route:
    @describe(Operation(answers={"text/plain": TEXT}))
    def metrics(request: Request) -> Response:
        """Numbers for Prometheus."""
        return Response(exposition(samples), media_type=EXPOSITION)

    return _Metrics("/metrics", metrics)
