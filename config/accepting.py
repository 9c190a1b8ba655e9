"""Connections of a socket that several processes listen on: whoever holds fewer takes the next.

Left to the event loop, the process that wakes first takes all that wait, and the others' cores stand idle.
Here one is taken at a time, and who holds some already gives the others a moment for it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

MOMENT = 0.001
LONGEST = 4
"""Seconds for each connection that is held, and for how many at most: all processes may hold many."""
_SHARE = 4
"""A process that holds this many more takes another one at a time: a crowd gets in quickly all the same."""
OUT_OF_DESCRIPTORS = 0.1
"""Seconds in which some may end."""
HANDSHAKES = 128
HANDSHAKE_PATIENCE = 10.0
"""TLS handshakes under way, beyond which newcomers are closed unheard; and seconds for one of them."""


class Accepting:
    """From `start` to `close`, on the event loop's thread. `held`: connections of this process now."""

    def __init__(
        self,
        listener: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        held: Callable[[], int],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._listener = listener
        self._protocol = protocol
        self._held = held
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._joining: set[asyncio.Task[None]] = set()
        self._waiting: asyncio.TimerHandle | None = None

    def start(self) -> None:
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
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _ready(self) -> None:
        if held := self._held() + len(self._joining):
            self._pause()
            self._waiting = self._loop.call_later(min(held, LONGEST) * MOMENT, self._take, 1 + held // _SHARE)
        else:
            self._take(1)

    def _take(self, most: int) -> None:
        pause = 0.0
        try:
            for _ in range(most):
                self._join(self._listener.accept()[0])
        except BlockingIOError:
            pass  # another process was faster, or the peer has gone again
        except OSError as error:
            log.error("http.accept", error=str(error))
            pause = OUT_OF_DESCRIPTORS
        self._pause()
        if pause:
            self._waiting = self._loop.call_later(pause, self._listen)
        else:
            self._listen()

    def _join(self, sock: socket.socket) -> None:
        if len(self._joining) >= HANDSHAKES:
            sock.close()
            return
        joining = self._loop.create_task(self._connect(sock))
        self._joining.add(joining)
        joining.add_done_callback(self._joining.discard)

    async def _connect(self, sock: socket.socket) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(
                self._protocol,
                sock,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_PATIENCE if self._tls else None,
            )
        except OSError as error:  # a handshake that failed, too
            log.info("http.connection_failed", reason=type(error).__name__)
            sock.close()
