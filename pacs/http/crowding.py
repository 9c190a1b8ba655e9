"""More connections than may be: who is new is told to come again; who asks how the server is, how it is."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from pacs.errors import Unavailable
from pacs.http import health
from pacs.http.problems import pacs_error

CROWDED = "crowded"
"""In a request's state: whether it came on a connection too many."""


class CrowdedMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["state"].get(CROWDED) and scope["path"] not in health.PATHS:
            answer = pacs_error(Request(scope), Unavailable("too many connections; try again soon"))
            answer.headers["Connection"] = "close"
            await answer(scope, receive, send)
            return
        await self.app(scope, receive, send)
