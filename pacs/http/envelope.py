"""What every request and every answer gets: a correlation ID, security headers, a time.

One layer does it all, as each one that looks at an answer's messages costs as much as the work itself.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pacs.http import correlation
from pacs.http.headers import SecurityHeaders
from pacs.http.metrics import RequestMetrics
from pacs.http.problems import STATUS


class EnvelopeMiddleware:
    def __init__(self, app: ASGIApp, security: SecurityHeaders, metrics: RequestMetrics) -> None:
        self.app = app
        self._security = security
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begin = time.perf_counter()
        state = scope["state"]
        known_by = correlation.begin(scope)

        def send_enveloped(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                state[STATUS] = message["status"]
                headers = self._security.added(message["headers"], scope)
                message = {**message, "headers": [*headers, known_by]}
            return send(message)

        try:
            await self.app(scope, receive, send_enveloped)
        finally:
            self._metrics.note(scope, state.get(STATUS, 500), time.perf_counter() - begin)
