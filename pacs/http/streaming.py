"""Bodies too large for memory: made piece by piece in a worker thread, dropped when the caller goes.

The thread is borrowed for one piece at a time, so a caller who reads slowly holds none, and it is one
of these bodies' own: pieces that take long, to decode or from a remote store, hold up nothing else.
Whatever the iterator has open is closed as soon as the answer ends, whichever way.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterable, Mapping
from contextlib import ExitStack

from anyio import CancelScope, CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

PIECE = 256 * 1024
"""Bytes that are gathered before they are sent: crossing threads costs as much as copying them."""

SMALL = 1 << 20

THREADS = 32
_limiter = RunVar[CapacityLimiter]("threads of streamed bodies")

Pieces = Generator[bytes, None, None]


class Streamed(StreamingResponse):
    """`size`: bytes of the body when known, else it is sent in chunks.

    Its first piece is made here and now, so that what goes wrong there is answered as an error.
    """

    def __init__(
        self,
        pieces: Pieces,
        media_type: str,
        size: int | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._pieces = gathered(pieces)
        self._first = next(self._pieces, b"")
        super().__init__(self._pulled(), status, headers, media_type)
        if size is not None:
            self.headers["Content-Length"] = str(size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] == "HEAD":
                await Response(None, self.status_code, self.headers)(scope, receive, send)
            else:
                await super().__call__(scope, receive, send)
        finally:
            with CancelScope(shield=True):
                await run_in_threadpool(self._pieces.close)

    async def _pulled(self) -> AsyncIterator[bytes]:
        yield self._first
        threads = _threads()
        while (piece := await to_thread.run_sync(next, self._pieces, None, limiter=threads)) is not None:
            yield piece


def _threads() -> CapacityLimiter:
    """Those of this event loop."""
    try:
        return _limiter.get()
    except LookupError:
        _limiter.set(CapacityLimiter(THREADS))
        return _limiter.get()


def answer(
    pieces: Pieces,
    media_type: str,
    size: int | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A body that is known to be small is sent at once, any other as it is made."""
    if size is not None and size <= SMALL:
        return Response(b"".join(pieces), status, headers, media_type)
    return Streamed(pieces, media_type, size, status, headers)


def gathered(pieces: Iterable[bytes]) -> Pieces:
    """The same bytes; small pieces are joined, large ones stay as they are."""
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
    """The same pieces; what is open for them is closed behind the last."""
    with opened:
        yield from pieces


def resumed(first: bytes, rest: Pieces) -> Pieces:
    """`first`, which was taken already to see whether it comes, and the rest."""
    try:
        yield first
        yield from rest
    finally:
        rest.close()
