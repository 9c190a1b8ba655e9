"""CORS (Fetch standard): which other sites' pages may call this server: those configured, no other.

These pages authenticate by bearer token; cookies are not accepted across sites.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
TAKEN = (
    "Accept, Authorization, Cache-Control, Content-Type, If-Match, If-None-Match, If-Range, Last-Event-ID, "
    "Range, X-Correlation-ID"
)
EXPOSED = (
    "Accept-Ranges, Content-Disposition, Content-Length, Content-Location, Content-Range, Content-Type, "
    "ETag, Last-Modified, Link, Location, Retry-After, Warning, X-Correlation-ID, X-Total-Count"
)
PREFLIGHT_SECONDS = "600"


class CorsMiddleware:
    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self.app = app
        self.origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Headers(scope=scope)
        origin = asked.get("origin")
        allowed = origin in self.origins

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")
                if allowed and origin:
                    headers["Access-Control-Allow-Origin"] = origin
                    headers["Access-Control-Expose-Headers"] = EXPOSED
            await send(message)

        preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in asked
        app = _permission if preflight and allowed else self.app
        await app(scope, receive, send_with_headers)


_permission = Response(
    status_code=204,
    headers={
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": TAKEN,
        "Access-Control-Max-Age": PREFLIGHT_SECONDS,
    },
)
