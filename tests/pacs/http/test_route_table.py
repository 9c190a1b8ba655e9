"""The table finds what Starlette's router finds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp, Message

from pacs.http.route_table import RouteTable


def _said(name: str, methods: str = "GET") -> Route:
    async def answer(request: Request) -> Response:
        return Response(f"{name} {request.path_params}")

    return Route(name, answer, methods=methods.split())


ROUTES: list[BaseRoute] = [
    _said("/a/me"),
    _said("/a/{x}", "PATCH"),
    _said("/a/{x}"),
    Mount(
        "/m.n",
        routes=[
            _said("/"),
            _said("/a/{x}/b/{y}"),
            _said("/a/{x}", "POST"),
            _said("/f/{f:float}/{rest:path}"),
            Mount("/n", routes=[_said("/a/{x}")]),
        ],
    ),
    Mount("", routes=[_said("/late/{x:int}", "GET DELETE"), _said("/late/{x}")]),
    Route("/a/{x}/any", _said("/any").app),
]
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "BREW"])
PARTS = st.sampled_from(["a", "m.n", "mxn", "me", "b", "n", "f", "1.5", "7", "late", "any", "é"])
PATHS = st.lists(PARTS, max_size=6).map(lambda parts: "/" + "/".join(parts))


def _answer(app: ASGIApp, method: str, path: str) -> Any:
    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b"", "app": app}
    said = list[Message]()

    async def send(message: Message) -> None:
        said.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    async def answer() -> None:
        await app(scope, receive, send)

    try:
        asyncio.run(answer())
    except HTTPException as error:
        return error.status_code
    return said[0]["status"], said[1]["body"]


@given(METHODS, PATHS, st.sampled_from(["", "/", "\n"]))
def test_the_same_route_answers(method: str, path: str, tail: str) -> None:
    router = Router(ROUTES, redirect_slashes=False)
    assert _answer(RouteTable(router), method, path + tail) == _answer(router, method, path + tail)


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        ("GET", "/a/me", "/a/me {}"),
        ("PATCH", "/a/me", "/a/{x} {'x': 'me'}"),
        ("GET", "/m.n/a/1/b/2", "/a/{x}/b/{y} {'x': '1', 'y': '2'}"),
        ("GET", "/m.n/f/1.5/a/b", "/f/{f:float}/{rest:path} {'f': 1.5, 'rest': 'a/b'}"),
        ("GET", "/m.n/n/a/3", "/a/{x} {'x': '3'}"),
        ("DELETE", "/late/7", "/late/{x:int} {'x': 7}"),
    ],
)
def test_parameters_are_those_of_the_path(method: str, path: str, wanted: str) -> None:
    assert _answer(RouteTable(Router(ROUTES)), method, path) == (200, wanted.encode())


def test_what_is_found_is_not_searched_for() -> None:
    router = Router(ROUTES)
    table = RouteTable(router)
    router.routes.clear()
    assert _answer(table, "GET", "/m.n/a/1/b/2")[0] == 200
    assert _answer(table, "PUT", "/m.n/a/1/b/2") == 404


def test_no_middleware_is_passed_by() -> None:
    guarded = Mount("/guarded", routes=[_said("/x")], middleware=[Middleware(lambda app: app.app)])
    with pytest.raises(AssertionError, match="middleware"):
        RouteTable(Router([guarded]))
