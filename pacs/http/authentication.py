"""Authentication: done once, here, for every route that is not public.

A request without valid credentials gets the same 401 for every path, so that it reveals nothing
about what exists. Refusals are audited, within bounds (`pacs.http.refusals`).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable

import structlog
from starlette._utils import get_route_path
from starlette.requests import HTTPConnection, Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pacs.accounts import Session
from pacs.actor import DEFAULT_ORGANIZATION, Actor
from pacs.errors import Forbidden, PacsError, Unauthenticated, Unavailable
from pacs.http.problems import STATUS, pacs_error
from pacs.http.refusals import Refusals
from pacs.http.resource import Public
from pacs.http.threads import REQUESTS
from pacs.rights import Right

ASK_AGAIN = 1.0  # seconds for which a stream's caller stays authenticated without asking again


@dataclass(frozen=True, slots=True)
class Caller:
    actor: Actor
    rights: frozenset[Right]
    session: Session | None = None
    """None when no authentication is needed."""


Authenticate = Callable[[HTTPConnection], Caller | Awaitable[Caller]]
"""Raises `Unauthenticated` or `Forbidden` for a caller who may not enter. Awaits the database."""


def peer_address(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client else ""


def anonymous(connection: HTTPConnection) -> Actor:
    """A caller of whom only the address is known; audited under the installation's organisation."""
    number = connection.scope["state"]["correlation_id"]
    return Actor(DEFAULT_ORGANIZATION, "user", "", peer_address(connection), number)


def everyone(connection: HTTPConnection) -> Caller:
    """For `--open`: every caller, on the loopback address only, has all rights."""
    number = connection.scope["state"]["correlation_id"]
    who = Actor(DEFAULT_ORGANIZATION, "user", "open", peer_address(connection), number)
    return Caller(who, frozenset(Right))


class AuthenticationMiddleware:
    """`routes`: the application's top-level routes, among which the public ones are found."""

    def __init__(
        self, app: ASGIApp, authenticate: Authenticate, routes: Iterable[BaseRoute], refusals: Refusals
    ) -> None:
        self.app = app
        self.authenticate = authenticate
        self._refusals = refusals
        public = [route for route in routes if isinstance(route, Public)]
        self._fixed = {route.path: route for route in public if not route.param_convertors}
        self._patterns = [route for route in public if route.param_convertors]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if self._open(scope):
            await self._through(scope, receive, send, anonymous(request))
            return
        try:
            found = self.authenticate(request)
            caller = await found if isawaitable(found) else found
        except PacsError as error:
            await pacs_error(request, error)(scope, receive, send)
            if isinstance(error, Unauthenticated | Forbidden):
                await self._refused(anonymous(request), 401 if isinstance(error, Unauthenticated) else 403)
            return
        structlog.contextvars.bind_contextvars(tenant=caller.actor.organization)
        scope["state"]["caller"] = caller
        scope["state"]["actor"], scope["state"]["rights"] = caller.actor, caller.rights
        answer = _Answer(send, partial(self._again, request))
        with suppress(_Ended):
            await self._through(scope, receive, answer.send, caller.actor)

    async def _through(self, scope: Scope, receive: Receive, send: Send, who: Actor) -> None:
        await self.app(scope, receive, send)
        if scope["state"].get(STATUS) == 403:
            await self._refused(who, 403)

    async def _again(self, request: Request) -> None:
        found = self.authenticate(request)
        if isawaitable(found):
            await found

    def _open(self, scope: Scope) -> bool:
        path = get_route_path(scope)
        route = self._fixed.get(path)
        if route is None:
            route = next((each for each in self._patterns if each.path_regex.match(path)), None)
        return route is not None and route.is_open_to(scope)

    async def _refused(self, actor: Actor, status: int) -> None:
        record = self._refusals.note(actor, status)
        if record is not None:
            await REQUESTS.run(self._refusals.write, record)


class _Ended(Exception):
    """The caller's session ended while an event stream was being sent."""


class _Answer:
    """Ends an event stream once its caller's session has ended."""

    def __init__(self, send: Send, still_allowed: Callable[[], Awaitable[None]]) -> None:
        self._send = send
        self._still_allowed = still_allowed
        self._endless = False
        self._asked = time.monotonic()

    def send(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self._endless = (b"content-type", b"text/event-stream; charset=utf-8") in message["headers"]
        elif self._endless and time.monotonic() - self._asked > ASK_AGAIN:
            return self._ask_and_send(message)
        return self._send(message)

    async def _ask_and_send(self, message: Message) -> None:
        self._asked = time.monotonic()
        try:
            await self._still_allowed()
        except Unavailable:
            pass
        except PacsError:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            raise _Ended from None
        await self._send(message)
