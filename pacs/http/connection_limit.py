"""Above the connection limit, new connections get 503; only health checks are still answered."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from pacs.errors import Unavailable
from pacs.http import health
from pacs.http.problems import pacs_error

OVER_LIMIT = "over_connection_limit"
"""Key in a request's state: whether its connection is above the limit."""


class ConnectionLimitMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["state"].get(OVER_LIMIT) and scope["path"] not in health.PATHS:
            answer = pacs_error(Request(scope), Unavailable("too many connections; try again soon"))
            answer.headers["Connection"] = "close"
            await answer(scope, receive, send)
            return
        await self.app(scope, receive, send)
