"""Which route answers a request: one regular expression for each method finds it.

Starlette's router tries route after route, and a mounted one again for what is below it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from starlette._utils import get_route_path
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import Receive, Scope, Send

_NAMED = re.compile(r"\(\?P<\w+>")


def leaves(routes: Iterable[BaseRoute], prefix: str = "") -> Iterator[tuple[str, Route]]:
    """Every route, after what its mounts put before its path."""
    for each in routes:
        if isinstance(each, Mount):
            assert isinstance(each.app, Router), "the table would pass by its middleware"
            yield from leaves(each.routes, prefix + each.path)
        elif isinstance(each, Route):
            yield prefix, each


class RouteTable:
    """An ASGI application of the router's routes; the first that matches answers, as in the router.

    Requests that match none are left to the router, which distinguishes a wrong method from a wrong path.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        by_method = defaultdict[str, list[tuple[str, Route]]](list)
        for prefix, route in leaves(router.routes):
            for method in route.methods or ():
                by_method[method].append((prefix, route))
        self._by_method = {method: _Alternatives(routes) for method, routes in by_method.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        alternatives = self._by_method.get(scope["method"])
        found = alternatives.find(get_route_path(scope)) if alternatives else None
        if found is None:
            await self._router(scope, receive, send)
            return
        route, parameters = found
        scope["route"], scope["endpoint"], scope["path_params"] = route, route.endpoint, parameters
        await route.handle(scope, receive, send)


class _Alternatives:
    """The routes' patterns as alternatives of one; `lastindex` tells which of them matched."""

    def __init__(self, routes: Iterable[tuple[str, Route]]) -> None:
        self._routes: dict[int, Route] = {}
        patterns, groups = list[str](), 1
        for prefix, route in routes:
            self._routes[groups] = route
            patterns.append(re.escape(prefix) + _NAMED.sub("(", route.path_regex.pattern.removeprefix("^")))
            groups += 1 + route.path_regex.groups
        self._pattern = re.compile("|".join(f"({each})" for each in patterns))

    def find(self, path: str) -> tuple[Route, dict[str, Any]] | None:
        """The route, and the parameters in the path."""
        match = self._pattern.match(path)
        if match is None or match.lastindex is None:
            return None
        first, route = match.lastindex, self._routes[match.lastindex]
        names, convertors = route.path_regex.groupindex, route.param_convertors
        return route, {name: convertors[name].convert(match[first + n]) for name, n in names.items()}
