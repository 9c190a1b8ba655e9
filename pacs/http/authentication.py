"""Who calls: checked once, here, for every route that is not public."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from pacs.actor import DEFAULT_ORGANIZATION, Actor
from pacs.rights import Right


@dataclass(frozen=True, slots=True)
class Caller:
    actor: Actor
    rights: frozenset[Right]


Authenticate = Callable[[HTTPConnection], Caller]


def everyone(connection: HTTPConnection) -> Caller:
    """`--open`: whoever reaches this loopback address may do everything."""
    address = connection.client.host if connection.client else ""
    name = "open"
    correlation_id = connection.scope["state"]["correlation_id"]
    return Caller(Actor(DEFAULT_ORGANIZATION, "user", name, address, correlation_id), frozenset(Right))


class AuthenticationMiddleware:
    def __init__(self, app: ASGIApp, authenticate: Authenticate) -> None:
        self.app = app
        self.authenticate = authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            caller = self.authenticate(HTTPConnection(scope))
            scope["state"]["actor"], scope["state"]["rights"] = caller.actor, caller.rights
        await self.app(scope, receive, send)
