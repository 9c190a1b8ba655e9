"""Security headers of every answer: content policy, framing, type sniffing, referrer."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY, _ANCESTORS = "Content-Security-Policy", "frame-ancestors"
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    _POLICY: "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Defaults; a resource may set its own."""

HSTS = "max-age=31536000"


def over_tls(scope: Scope) -> bool:
    """Whether the browser connected by https, to this server or to a trusted proxy before it."""
    base: str | None = scope["app"].state.base_url
    return scope.get("scheme") == "https" or (base is not None and base.startswith("https:"))


class SecurityHeadersMiddleware:
    """`frames`: origins of sites that may embed our pages."""

    def __init__(self, app: ASGIApp, frames: frozenset[str] = frozenset()) -> None:
        self.app = app
        self._ancestors = " ".join((f"{_ANCESTORS} 'self'", *sorted(frames))) if frames else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if self._ancestors:
                    _let_in(headers, self._ancestors)
                if over_tls(scope):
                    headers.setdefault("Strict-Transport-Security", HSTS)
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _let_in(headers: MutableHeaders, ancestors: str) -> None:
    """X-Frame-Options has no list of sites; browsers that support the policy do not need it."""
    headers[_POLICY] = headers[_POLICY].replace(f"{_ANCESTORS} 'none'", ancestors)
    del headers["X-Frame-Options"]
