"""HTTP/1.1 as uvicorn reads it, with the bounds that it lacks.

uvicorn buffers a request's line and headers whatever their length, and waits for their end for ever, so one
endless request line takes all memory. Above its limit of connections it refuses every request; here existing
connections are still served, and new ones get only health checks (`pacs.http.connection_limit`).
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from config.http_transport import Gathering
from config.http_unchunked import Unchunked
from pacs.http.connection_limit import OVER_LIMIT

MAX_HEAD = 64 << 10
"""Bytes of a request's line and headers, or of a chunked body's trailers, not counting one read more."""
MAX_URL = (1 << 16) - 1
"""Bytes of an address that the parser reads."""
LINGER = 64 << 20
LINGER_PATIENCE = 30
"""Bytes of a body, and seconds, that are still read of a request that was answered before its end: most peers
listen only once they have sent everything, but a body without end is not read for ever."""
SPARE = 64
"""Connections above the limit that are refused with an answer; further ones are closed at once."""
SPARE_PATIENCE = 5
"""Seconds that one of those has to send its head."""
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """A head may take as long as a connection may be idle (`timeout_keep_alive`).

    `limit_concurrency` is the number of connections that are allowed.
    """

    _unfinished = 0
    """Bytes since the last head, piece of a body or message was complete."""
    _lingering = 0
    """Bytes of a body that arrived after its answer."""
    _patience: asyncio.TimerHandle | None = None
    _in_message = False
    _in_head = False
    _spare = False
    _reason = ""
    """Why a request that the parser would accept is refused."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._most, self.limit_concurrency = self.limit_concurrency, None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it too
        super().connection_made(Gathering(transport, self.loop))  # type: ignore[arg-type]  # delegates to one
        if self._most is not None and len(self.connections) > self._most:
            self._spare = True
            if len(self.connections) > self._most + SPARE:
                transport.abort()
                return
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._unfinished += len(data)
        super().data_received(data if self._in_message or data.isascii() else _escaped(data))
        if self._unfinished > MAX_HEAD and not self.transport.is_closing():
            self._refuse_head()
        elif self._in_head and self._patience is None:  # most heads come as a whole
            self._wait_for_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_message = self._in_head = True

    def on_headers_complete(self) -> None:
        self._unfinished, self._in_head = 0, False
        self._head_came()
        self._check_host()
        self.scope["state"][OVER_LIMIT] = self._spare
        super().on_headers_complete()
        if self._spare:
            self.cycle.keep_alive = False
        if self.parser.get_http_version() == "1.0":
            self.cycle.send = Unchunked(self.cycle).send  # type: ignore[method-assign]  # that of this answer only

    def _check_host(self) -> None:
        """RFC 9112 §3.2. HTTP/1.0, which some health checks speak, has no Host."""
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            self._reason = "A request has one Host header."
            raise ValueError(self._reason)  # the parser makes it 400

    def send_400_response(self, msg: str) -> None:
        if len(self.url) > MAX_URL:
            self._refuse_head()
        else:
            super().send_400_response(self._reason or msg)

    def _refuse_head(self) -> None:
        self.logger.warning("request header too long")
        self.transport.write(_TOO_LARGE)
        self.transport.close()

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        if self.cycle.response_complete:
            self._linger(len(body))
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._unfinished, self._in_message = 0, False
        if self._lingering:
            self._lingering = 0
            self._head_came()
        super().on_message_complete()

    def _linger(self, size: int) -> None:
        if not self._lingering:
            self._patience = self.loop.call_later(LINGER_PATIENCE, self._give_up)
        self._lingering += size
        if self._lingering > LINGER:
            self._give_up()

    def _wait_for_head(self) -> None:
        seconds = SPARE_PATIENCE if self._spare else self.timeout_keep_alive
        self._patience = self.loop.call_later(seconds, self._give_up)

    def _head_came(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self.transport.close()


def _escaped(data: bytes) -> bytes:
    """The request line, with UTF-8 escaped: curl sends names such as `PatientName=Müller*` unescaped."""
    end = data.find(b"\n")
    line = data[:end] if end >= 0 else data
    if line.isascii():  # what is not, is the beginning of a body
        return data
    return _NOT_ASCII.sub(lambda found: b"%%%02X" % ord(found[0]), line) + data[len(line) :]
