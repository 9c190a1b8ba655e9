"""Bodies too large for memory: produced piece by piece in worker threads, dropped when the caller goes.

While some pieces are sent the next ones are produced, and no more: a slow reader holds no thread. The threads
serve these bodies only, so slow pieces (decoding, a remote store) delay nothing else. What the iterator has
open is closed as soon as the answer ends, in whichever way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack

from anyio import CancelScope
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from pacs.http.threads import ThreadPool

PIECE = 256 * 1024
"""Bytes up to which pieces are joined: passing on another one costs as much as copying them."""
BATCH = 1 << 20
"""Bytes produced at a time, except for the first: crossing threads for less costs more than producing it."""

SMALL = 1 << 20

BODIES = ThreadPool("body", 32)

Pieces = Generator[bytes, None, None]


class Streamed(StreamingResponse):
    """`size`: bytes of the body if known; otherwise it is sent in chunks.

    Its first pieces are produced in the constructor, so that an error there is answered as an error.
    """

    def __init__(
        self,
        pieces: Pieces,
        media_type: str,
        size: int | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._batches = batches(pieces)
        self._first = next(self._batches, None)
        self._ahead: asyncio.Future[list[bytes] | None] | None = None
        super().__init__((), status, headers, media_type)
        if size is not None:
            self.headers["Content-Length"] = str(size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] == "HEAD":
                await self._head(send)
            else:
                await super().__call__(scope, receive, send)
        finally:
            with CancelScope(shield=True):
                if self._ahead is not None:
                    await asyncio.wait((self._ahead,))
                await BODIES.run(self._batches.close)

    async def _head(self, send: Send) -> None:
        """Omits Content-Length when the size is unknown (RFC 9110 §8.6)."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": b""})

    async def stream_response(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        batch = self._first
        while batch:
            self._ahead = BODIES.run(next, self._batches, None)
            for piece in batch:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            batch = await asyncio.shield(self._ahead)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Complete(Response):
    """A complete body, in pieces that are sent without joining them."""

    def __init__(
        self, pieces: Sequence[bytes], media_type: str, status: int, headers: Mapping[str, str] | None
    ) -> None:
        size = str(sum(map(len, pieces)))
        super().__init__(None, status, {**(headers or {}), "Content-Length": size}, media_type)
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for piece in self._pieces[:-1]:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": self._pieces[-1] if self._pieces else b""})


def body_answer(
    pieces: Pieces,
    media_type: str,
    size: int | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A body that is known to be small is sent at once, any other while it is produced."""
    if size is not None and size <= SMALL:
        return Complete(list(coalesced(pieces)), media_type, status, headers)
    return Streamed(pieces, media_type, size, status, headers)


def batches(pieces: Iterable[bytes]) -> Generator[list[bytes], None, None]:
    """The same bytes as `coalesced`, in batches; the first is yielded as soon as there is one piece."""
    batch, size, most = list[bytes](), 0, PIECE
    for piece in coalesced(pieces):
        batch.append(piece)
        size += len(piece)
        if size >= most:
            yield batch
            batch, size, most = [], 0, BATCH
    if batch:
        yield batch


def coalesced(pieces: Iterable[bytes]) -> Pieces:
    """The same bytes, with small pieces joined."""
    small, size = list[bytes](), 0
    for piece in pieces:
        if len(piece) >= PIECE:
            if small:
                yield b"".join(small)
                small, size = [], 0
            yield piece
            continue
        small.append(piece)
        size += len(piece)
        if size >= PIECE:
            yield b"".join(small)
            small, size = [], 0
    if small:
        yield b"".join(small)


def sliced(pieces: Iterable[bytes], start: int, stop: int) -> Pieces:
    """The bytes from `start` up to `stop` of all the pieces together."""
    position = 0
    for piece in pieces:
        first, last = max(start - position, 0), min(stop - position, len(piece))
        if first < last:
            yield piece[first:last]
        position += len(piece)
        if position >= stop:
            return


def closing(opened: ExitStack, pieces: Iterable[bytes]) -> Pieces:
    """The same pieces; `opened` is closed after the last."""
    with opened:
        yield from pieces


def resumed(first: bytes, rest: Pieces) -> Pieces:
    """`first`, which was taken already to see whether it raises, and the rest."""
    try:
        yield first
        yield from rest
    finally:
        rest.close()
