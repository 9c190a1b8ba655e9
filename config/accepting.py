"""Accepts connections of a socket that several processes listen on, balanced by `config.sharing`."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

import structlog

from config.sharing import MOMENT, PATIENCE, Slot
from pacs.log_throttle import LogThrottle
from pacs.network import failure

log = structlog.get_logger(__name__)

AT_ONCE = 64
"""Connections accepted before the event loop does other work."""
OUT_OF_DESCRIPTORS = 0.1
"""Seconds to wait until some are free."""
HANDSHAKES = 128
"""TLS handshakes under way; further connections wait in the listener's queue."""
HANDSHAKE_PATIENCE = 10.0
"""Seconds for one handshake."""


class Connections(set[Any]):
    """The connections of this process. `changed` is called with their number whenever it changes; it includes
    those that are accepted but not set up yet."""

    def __init__(self, changed: Callable[[int], None]) -> None:
        super().__init__()
        self._changed = changed
        self._coming: set[Any] = set()

    def expect(self, connection: Any) -> None:
        self._coming.add(connection)
        self._tell()

    def add(self, connection: Any) -> None:
        super().add(connection)
        self._coming.discard(connection)
        self._tell()

    def discard(self, connection: Any) -> None:
        super().discard(connection)
        self._coming.discard(connection)
        self._tell()

    def _tell(self) -> None:
        self._changed(len(self) + len(self._coming))


class Accepting:
    """From `start` to `close`, on the event loop's thread.

    `protocol` adds itself to `connections` and removes itself.
    """

    def __init__(
        self,
        listener: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        slot: Slot,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._listener = listener
        self._protocol = protocol
        self._slot = slot
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._joining: set[asyncio.Task[None]] = set()
        self._waiting: asyncio.TimerHandle | None = None
        self._is_full = False
        self._failures = LogThrottle()
        self.connections = Connections(slot.publish)

    def start(self) -> None:
        self._slot.publish(0)
        self._listener.setblocking(False)
        self._listen()

    def close(self) -> None:
        self._pause()
        for joining in self._joining:
            joining.cancel()

    async def wait_closed(self) -> None:
        await asyncio.gather(*self._joining, return_exceptions=True)

    def _listen(self) -> None:
        self._waiting = None
        self._loop.add_reader(self._listener.fileno(), self._ready)

    def _pause(self) -> None:
        self._loop.remove_reader(self._listener.fileno())
        self._is_full = False
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _ready(self) -> None:
        self._pause()
        self._take(self._loop.time() + PATIENCE)

    def _take(self, deadline: float) -> None:
        """Accept one connection after another, unless another process should; after `deadline`, one."""
        try:
            for _ in range(AT_ONCE):
                if self._slot.is_ahead() and self._loop.time() < deadline:
                    self._waiting = self._loop.call_later(MOMENT, self._take, deadline)
                    return
                if self._tls is not None and len(self._joining) >= HANDSHAKES:
                    self._is_full = True
                    return
                self._join(self._listener.accept()[0])
                deadline = self._loop.time() + PATIENCE
            self._listen()
        except BlockingIOError:  # another process was faster, or the peer has gone again
            self._listen()
        except OSError as error:
            if times := self._failures.occurrences():
                log.error("connection not accepted", error=str(error), times=times)
            self._waiting = self._loop.call_later(OUT_OF_DESCRIPTORS, self._listen)

    def _join(self, sock: socket.socket) -> None:
        protocol = self._protocol()
        self.connections.expect(protocol)
        joining = self._loop.create_task(self._connect(sock, protocol))
        self._joining.add(joining)
        joining.add_done_callback(self._joined)

    def _joined(self, joining: asyncio.Task[None]) -> None:
        self._joining.discard(joining)
        if self._is_full:
            self._is_full = False
            self._listen()

    async def _connect(self, sock: socket.socket, protocol: asyncio.Protocol) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(
                lambda: protocol,
                sock,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_PATIENCE if self._tls else None,
            )
        except OSError as error:  # or the handshake failed
            log.info("connection failed", reason=failure(error))
            self.connections.discard(protocol)
            sock.close()
        except asyncio.CancelledError:  # uvloop does not tell the protocol about this end
            self.connections.discard(protocol)
            sock.close()
            raise
