"""Security headers of every answer: content policy, framing, type sniffing, referrer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from starlette.types import Scope

RawHeader = tuple[bytes, bytes]
"""As in ASGI: the name in small letters, and the value."""

_POLICY, _FRAMING = b"content-security-policy", b"x-frame-options"
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Defaults; a resource may set its own."""

HSTS = {"Strict-Transport-Security": "max-age=31536000"}


def over_tls(scope: Scope) -> bool:
    """Whether the browser connected by https, to this server or to a trusted proxy before it."""
    base: str | None = scope["app"].state.base_url
    return scope.get("scheme") == "https" or (base is not None and base.startswith("https:"))


class SecurityHeaders:
    """`frames`: origins of sites that may embed our pages."""

    def __init__(self, frames: frozenset[str] = frozenset()) -> None:
        self._plain = _raw(SECURITY_HEADERS)
        self._tls = _raw(SECURITY_HEADERS | HSTS)
        self._ancestors = " ".join(("frame-ancestors 'self'", *sorted(frames))).encode() if frames else b""

    def added(self, own: Sequence[RawHeader], scope: Scope) -> list[RawHeader]:
        """An answer's own headers, and the defaults of those that it lacks."""
        named = {name for name, _ in own}
        defaults = self._tls if over_tls(scope) else self._plain
        headers = [*own, *(each for each in defaults if each[0] not in named)]
        return [*self._let_in(headers)] if self._ancestors else headers

    def _let_in(self, headers: Iterable[RawHeader]) -> Iterator[RawHeader]:
        """X-Frame-Options has no list of sites; browsers that support the policy do not need it."""
        for name, value in headers:
            if name == _POLICY:
                yield name, value.replace(b"frame-ancestors 'none'", self._ancestors)
            elif name != _FRAMING:
                yield name, value


def _raw(headers: Mapping[str, str]) -> tuple[RawHeader, ...]:
    return tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
