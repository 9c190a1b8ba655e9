"""The only kinds of route an edge makes: a resource that names the right it takes, or a public one.

`AuthenticationMiddleware` has put the caller into `request.state` before; who lacks the right gets 403.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from pacs.actor import Actor
from pacs.errors import Forbidden, NotFound, PasswordChangeRequired
from pacs.http.described import Described
from pacs.rights import Right


class Resource(Route):
    """`endpoint`: a plain function of the request runs in a thread; a coroutine in the event loop."""

    def __init__(
        self, path: str, endpoint: Callable[..., Any], right: Right | None, methods: Sequence[str] = ("GET",)
    ) -> None:
        """`right` None: whoever is signed in."""
        super().__init__(path, endpoint, methods=list(methods))
        self.right = right
        self.described: Described | None = None
        """For the OpenAPI document, when the endpoint does not say it."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.right is not None and self.right not in scope["state"]["rights"]:
            session = scope["state"]["caller"].session
            if session is not None and session.user.must_change_password:
                raise PasswordChangeRequired
            raise Forbidden(f"this needs the right to {self.right}")
        await super().handle(scope, receive, send)


class Public(Route):
    """Answers whoever asks, unasked who they are: health, signing in, pages that hold no data.

    It stands at the top level of the application's routes, in no `Mount`.
    """

    def is_open_to(self, scope: Scope) -> bool:
        """When not, this is a route like others, for callers who are signed in."""
        return True


def actor(request: Request) -> Actor:
    """Who asks, and for which organisation."""
    found: Actor = request.state.actor
    return found


def name_in_path(request: Request, name: str) -> str:
    """`NotFound` for what no database takes as text: nothing is called so."""
    found = str(request.path_params[name])
    if "\0" in found:
        raise NotFound
    return found
