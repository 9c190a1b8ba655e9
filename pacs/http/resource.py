"""The two kinds of route that edges make: a `Resource`, which names the right it needs, or a `Public` one;
and the `Service`, which has many of them.

`AuthenticationMiddleware` has put the caller into `request.state`; one without the right gets 403.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from inspect import iscoroutinefunction
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from pacs.actor import Actor
from pacs.errors import Forbidden, NotFound, PasswordChangeRequired
from pacs.http.compressed import compressing
from pacs.http.operation import Operation
from pacs.http.threads import REQUESTS
from pacs.rights import Right


class Resource(Route):
    """`endpoint`: a plain function of the request runs in a thread; a coroutine in the event loop."""

    def __init__(
        self, path: str, endpoint: Callable[..., Any], right: Right | None, methods: Sequence[str] = ("GET",)
    ) -> None:
        """`right` None: any authenticated caller."""
        self._answer: Callable[[Request], Awaitable[Response]] = (
            endpoint if iscoroutinefunction(endpoint) else REQUESTS.endpoint(compressing(endpoint))
        )
        super().__init__(path, self._answer, methods=list(methods))
        self.right = right
        self.operation: Operation | None = None
        """For the OpenAPI document, when the endpoint does not declare it."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.right is not None and self.right not in scope["state"]["rights"]:
            session = scope["state"]["caller"].session
            if session is not None and session.user.must_change_password:
                raise PasswordChangeRequired
            raise Forbidden(f"this needs the right to {self.right}")
        if scope["method"] not in (self.methods or ()):
            raise HTTPException(405)
        response = await self._answer(Request(scope, receive, send))
        await response(scope, receive, send)


class Service(Mount):
    """Resources below one root. `remark`: the headers that tell the reason of an error, beside its body."""

    def __init__(
        self, root: str, resources: Sequence[Resource], remark: Callable[[Request, str], Mapping[str, str]]
    ) -> None:
        super().__init__(root, routes=resources)
        self.remark = remark


class Public(Route):
    """Needs no authentication: health, signing in, pages without data.

    Must be at the top level of the application's routes, not in a `Mount`.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], methods: Sequence[str] = ("GET",)) -> None:
        in_loop = endpoint if iscoroutinefunction(endpoint) else REQUESTS.endpoint(endpoint)
        super().__init__(path, in_loop, methods=list(methods))

    def is_open_to(self, scope: Scope) -> bool:
        """False where this route needs an authenticated caller like any other."""
        return True


def actor(request: Request) -> Actor:
    """The authenticated caller and their organisation."""
    found: Actor = request.scope["state"]["actor"]
    return found


def name_in_path(request: Request, name: str) -> str:
    """A path parameter; `NotFound` for text that no database stores, such as NUL."""
    found = str(request.path_params[name])
    if "\0" in found:
        raise NotFound
    return found
