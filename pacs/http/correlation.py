"""Each request has a correlation ID: the caller's when well-formed, else a new one.

It is returned in `X-Correlation-ID`, bound to the log, and in `request.state.correlation_id`.
"""

from __future__ import annotations

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pacs.actor import correlation_id

HEADER = "X-Correlation-ID"


class CorrelationMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = correlation_id(Headers(scope=scope).get(HEADER))
        scope.setdefault("state", {})["correlation_id"] = given

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = given
            await send(message)

        with structlog.contextvars.bound_contextvars(correlation_id=given, tenant=None):
            await self.app(scope, receive, send_with_id)
