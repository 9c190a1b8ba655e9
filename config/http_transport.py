"""Sends the head and the body of an answer by one system call.

uvicorn writes them one after the other, and each write wakes the reader. Here they are gathered until the
end of the event loop's iteration; large pieces are not copied.
"""

from __future__ import annotations

import asyncio
from typing import Any

SMALL = 64 << 10
"""Bytes up to which copying is faster than a system call with several buffers."""


class Gathering:
    """Otherwise the transport itself."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self._let_go)
        self._held.append(data)

    def close(self) -> None:
        self._let_go()
        self._transport.close()

    def _let_go(self) -> None:
        held, self._held = self._held, []
        if not held or self._transport.is_closing():
            return
        if sum(map(len, held)) <= SMALL:
            self._transport.write(b"".join(held))
        else:
            self._transport.writelines(held)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
