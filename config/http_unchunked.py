"""Answers to HTTP/1.0, which knows no chunks (RFC 9112 §6.1): a body of unknown size ends with the
connection.

uvicorn sends chunks to every peer. One that takes them for content, as some proxies and older libraries
do, gets a broken file.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: on, for no time."""


class Unchunked:
    """Sends what `cycle` would, without chunks."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._send = cycle.send
        self._is_sized = True

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start":
            self._is_sized = any(name.lower() == b"content-length" for name, _ in message.get("headers", []))
            if not self._is_sized:
                self._cycle.chunked_encoding = False
                self._cycle.transport = _Resetting(self._cycle)  # type: ignore[assignment]  # delegates to one
        elif message["type"] == "http.response.body" and not self._is_sized:
            self._cycle.expected_content_length = len(message.get("body", b""))
        await self._send(message)


class _Resetting:
    """The transport, which resets the connection where a body ends early: closed, it would seem complete."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._transport = cycle.transport

    def close(self) -> None:
        if self._cycle.response_complete:
            self._transport.close()
            return
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
