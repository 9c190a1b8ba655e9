"""The address under which the caller sees this server."""

from __future__ import annotations

from starlette.requests import Request


def origin(request: Request) -> str:
    """Scheme, host and path of this server as seen from outside, without a slash at the end."""
    base: str | None = request.app.state.base_url
    if base:
        return base.rstrip("/")
    return str(request.base_url).rstrip("/")
