"""`--open`: without authentication, only callers on this machine are admitted, and no other site's pages.

A foreign page can make a browser on this machine send requests here: by DNS rebinding (then `Host` is
the foreign name) or across origins (then `Origin` is the foreign one). Both are refused.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from pacs.errors import Forbidden
from pacs.http.authentication import Caller, everyone
from pacs.network import is_loopback

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class OpenOnLoopback:
    """An `Authenticate`. `origins`: other sites whose pages may call."""

    def __init__(self, origins: frozenset[str] = frozenset()) -> None:
        self._origins = origins

    def __call__(self, connection: HTTPConnection) -> Caller:
        host = connection.headers.get("host", "")
        if not is_loopback(_hostname(f"http://{host}")):
            raise Forbidden("without authentication this server answers to localhost only")
        if connection.scope["method"] not in _SAFE and self._from_elsewhere(connection, host):
            raise Forbidden("pages of another site may not change data here; add its origin to allow it")
        return everyone(connection)

    def _from_elsewhere(self, connection: HTTPConnection, host: str) -> bool:
        origin = connection.headers.get("origin")
        if origin is None:
            return connection.headers.get("sec-fetch-site") in ("cross-site", "same-site")
        return origin not in self._origins and urlsplit(origin).netloc.lower() != host.lower()


def _hostname(url: str) -> str:
    """Empty when it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
