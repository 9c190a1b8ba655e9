"""The server's public address as the caller sees it, and the caller's own address.

Both come from the connection, unless a trusted proxy states others: by `Forwarded` (RFC 7239), else by
`X-Forwarded-*`. These headers are ignored from any other peer, since they would let it choose where
links in answers point and which address the audit trail records.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from pacs.network import ip_address, is_loopback

Trusted = Callable[[str], bool]

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/?")
_PAIR = re.compile(r'\s*([A-Za-z]+)\s*=\s*(?:"([^"\\]*)"|([^\s",;]*))\s*')
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_STATE = "origin"
_SAYING = (b"forwarded", b"x-forwarded-")


def origin(connection: HTTPConnection) -> str:
    """Scheme, host and path of this server as seen from outside, without a slash at the end."""
    base: str | None = connection.app.state.base_url
    if base:
        return base.rstrip("/")
    scope = connection.scope
    found: str | None = scope["state"].get(_STATE)
    if found:
        return found
    server = tuple(scope.get("server") or ())
    root = scope.get("app_root_path", scope.get("root_path", ""))
    return _own(scope.get("scheme", "http"), connection.headers.get("host"), server, root)


def public_path(connection: HTTPConnection) -> str:
    """Path of this server as seen from outside; empty if it has the whole host to itself."""
    return urlsplit(origin(connection)).path


@lru_cache(maxsize=64)
def _own(scheme: str, host: str | None, server: tuple[Any, ...], root: str) -> str:
    """Adds the port that some clients, dicomweb-client among them, leave out of `Host`."""
    headers = [] if host is None else [(b"host", host.encode("latin-1"))]
    scope = {"type": "http", "scheme": scheme, "server": server or None, "root_path": root, "path": root}
    url, (address, port) = Request({**scope, "headers": headers}).base_url, server or ("", None)
    if url.port is None and port and str(port) != _DEFAULT_PORTS.get(url.scheme):
        names = {address, "localhost"} if is_loopback(address) else {address}
        if url.hostname in names:
            url = url.replace(port=port)
    return str(url).rstrip("/")


def nobody(address: str) -> bool:
    """Trusts no proxy."""
    return False


def trusted_networks(networks: Iterable[str]) -> Trusted:
    """A test whether an address is in one of the networks. `ValueError` for an invalid network."""
    known = [ipaddress.ip_network(network, strict=False) for network in networks]

    @lru_cache(maxsize=1024)
    def trusted(address: str) -> bool:
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in known)

    return trusted


@dataclass(frozen=True, slots=True)
class Forwarding:
    """The forwarding headers of one request; fields are empty where a header is absent or unusable.

    `sources`: the client address seen by each proxy, the nearest proxy's last.
    """

    scheme: str = ""
    host: str = ""
    prefix: str = ""
    sources: tuple[str, ...] = ()


def forwarding(headers: Headers) -> Forwarding:
    """Scheme, host and prefix are the first ones stated, those of the proxy nearest to the user."""
    hops = [_hop(text) for field in headers.getlist("forwarded") for text in field.split(",")]
    if any(hops):
        first: dict[str, str] = hops[0]
        scheme, host, port = first.get("proto", ""), first.get("host", ""), ""
        sources = [_source(hop.get("for", "")) for hop in hops]
    else:
        scheme, host, port = (_first(headers, name) for name in ("proto", "host", "port"))
        sources = [_source(each) for each in _listed(headers, "for")]
    return _checked(scheme.lower(), host, port, _first(headers, "prefix"), tuple(sources))


def _checked(scheme: str, host: str, port: str, prefix: str, sources: tuple[str, ...]) -> Forwarding:
    scheme = scheme if scheme in _DEFAULT_PORTS else ""
    if not _HOST.fullmatch(host):
        host = ""
    named = ":" in host.rpartition("]")[2]
    if host and port.isdecimal() and not named and port != _DEFAULT_PORTS.get(scheme or "http"):
        host = f"{host}:{int(port) % 65536}"
    prefix = prefix.rstrip("/") if _PREFIX.fullmatch(prefix) else ""
    return Forwarding(scheme, host, prefix, sources)


def _hop(text: str) -> dict[str, str]:
    """One proxy's pairs, such as `for=192.0.2.60;proto=https;host="pacs.example:8443"`."""
    found = (_PAIR.fullmatch(pair) for pair in text.split(";"))
    return {pair[1].lower(): pair[2] or pair[3] or "" for pair in found if pair}


def _listed(headers: Headers, name: str) -> list[str]:
    fields = headers.getlist(f"x-forwarded-{name}")
    return [each.strip() for field in fields for each in field.split(",") if each.strip()]


def _first(headers: Headers, name: str) -> str:
    return next(iter(_listed(headers, name)), "")


def _source(text: str) -> str:
    """The IP address without brackets and port; empty for anything else."""
    bare = text.rpartition("]")[0].lstrip("[") if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return ""


def _says(scope: Scope) -> bool:
    return any(name.startswith(_SAYING) for name, _ in scope["headers"])


class ForwardedMiddleware:
    """Puts the origin into the request's state, and the caller's address in place of the proxy's."""

    def __init__(self, app: ASGIApp, trusted: Trusted) -> None:
        self.app = app
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if client and _says(scope) and self._trusted(client[0]):
            said = forwarding(Headers(scope=scope))
            if said != Forwarding():
                self._apply(scope, said)
        await self.app(scope, receive, send)

    def _apply(self, scope: Scope, said: Forwarding) -> None:
        url = Request(scope).base_url
        host = said.host or url.netloc
        scope["state"][_STATE] = f"{said.scheme or url.scheme}://{host}{said.prefix}"
        if said.scheme:
            scope["scheme"] = said.scheme
        stranger = next((each for each in reversed(said.sources) if not self._trusted(each)), "")
        if caller := stranger or next(iter(said.sources), ""):
            scope["client"] = (caller, 0)
