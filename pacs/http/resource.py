"""The only kind of route an edge makes: one that names the right it takes.

`AuthenticationMiddleware` has put the caller into `request.state` before; who lacks the right gets 403.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from pacs.actor import Actor
from pacs.errors import Forbidden
from pacs.rights import Right


class Resource(Route):
    """`endpoint`: a plain function of the request runs in a thread; a coroutine in the event loop."""

    def __init__(
        self, path: str, endpoint: Callable[..., Any], right: Right, methods: Sequence[str] = ("GET",)
    ) -> None:
        super().__init__(path, endpoint, methods=list(methods))
        self.right = right

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.right not in scope["state"]["rights"]:
            raise Forbidden(f"this needs the right to {self.right}")
        await super().handle(scope, receive, send)


def actor(request: Request) -> Actor:
    """Who asks, and for which organisation."""
    found: Actor = request.state.actor
    return found
