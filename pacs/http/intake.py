"""From the event loop to threads: how a request's body is received and stored.

The loop waits for the peer, threads wait for the disk and the database. Data crosses in batches,
one batch ahead of the disk, so a slow disk slows the peer down and neither holds a thread while it
waits for the other. The parts of a request are finished concurrently, so that they share
transactions (group commit), up to a bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Protocol

from starlette.requests import ClientDisconnect, Request

from pacs.errors import PacsError, Stalled, Unavailable, UnsupportedEncoding
from pacs.http.multipart_reader import MultipartReader, PartBegins, PartData
from pacs.http.threads import ThreadPool

BATCH = 1 << 20
"""Bytes of one batch."""
FINISHING = 8
"""Parts of one request that are finished concurrently."""
LET_PASS = 1 << 30
"""Bytes of refused parts that are read and dropped, so that the parts behind them are still stored and
the sender hears the reason; beyond that the request is answered without reading the rest."""
STALL_TIMEOUT = 60.0  # seconds
MINIMUM_RATE = 512
"""Bytes a second, on average over `STALL_TIMEOUT`: a trickling sender occupies a place that others need."""
MAX_EPILOGUE, EPILOGUE_TIMEOUT = 1 << 20, 5.0  # bytes, seconds


class Sink(Protocol):
    """The consumer of one part, used by one thread at a time; to be subclassed.

    A `PacsError` of `write` or `finish` refuses the part: the rest of it is dropped.
    """

    def write(self, data: bytes) -> None: ...

    def finish(self) -> Any:
        """The part is complete: store it and return the result."""

    def refused(self, error: PacsError) -> Any:
        """The result of a part that was refused."""
        return error

    def close(self) -> None:
        """Called last, behind the result, whatever became of the part: release what it holds."""
        return


class IntakePool:
    """The threads in which all requests of a process store what they receive.

    `requests`: how many may be received at a time. Each holds some mebibytes, so there are fewer than
    connections.
    """

    def __init__(self, threads: int = 16, requests: int = 128) -> None:
        self.run = ThreadPool("intake", threads).run
        self._places = requests

    @contextmanager
    def request(self) -> Iterator[None]:
        """Admits one request for the length of the block; `Unavailable` when too many are admitted."""
        if not self._places:
            raise Unavailable("too many requests are being stored; try again soon")
        self._places -= 1
        try:
            yield
        finally:
            self._places += 1


class _Part:
    """A part on its way into its sink. The event loop asks whether it is `refused` between writes."""

    def __init__(self, sink: Sink) -> None:
        self.refused = False
        self._sink = sink
        self._result: Any = None
        self._open = ExitStack()
        self._open.callback(sink.close)

    def write(self, pieces: Iterable[bytes]) -> None:
        with self._refusing():
            for piece in () if self.refused else pieces:
                self._sink.write(piece)

    def finish(self, pieces: Iterable[bytes]) -> Any:
        self.write(pieces)
        with self._refusing():
            if not self.refused:
                self._result = self._sink.finish()
        return self._result

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except PacsError as error:
            error.__cause__ = error.__context__ = None  # their frames would keep kilobytes of each small part
            self._result, self.refused = self._sink.refused(error.with_traceback(None)), True
            self._open.close()

    def close(self) -> None:
        self._open.close()


class Intake:
    """One request's parts, one after the other: `begin`, `data`…, `end`.

    Leaving the context abandons a part that has not ended and waits for those that have.
    """

    def __init__(self, pool: IntakePool, finishing: int = FINISHING, let_pass: int = LET_PASS) -> None:
        """`finishing`: 1 when a part must be finished before the next one begins."""
        self._pool = pool
        self._to_pass = let_pass
        self._limit = finishing
        self._part: _Part | None = None
        self._gathered: list[bytes] = []
        self._size = 0
        self._crossing: asyncio.Future[None] | None = None
        self._finished: list[asyncio.Future[Any]] = []
        self._finishing: set[asyncio.Future[Any]] = set()

    def begin(self, sink: Sink) -> None:
        assert self._part is None, "the part before has not ended"
        self._part = _Part(sink)

    async def data(self, data: bytes) -> bool:
        """False when `let_pass` bytes of refused parts were dropped: stop reading the request."""
        assert self._part is not None
        if self._part.refused:
            self._to_pass -= len(data)
            return self._to_pass >= 0
        self._gathered.append(data)
        self._size += len(data)
        if self._size >= BATCH:
            await self._crossed()
            self._crossing = self._pool.run(self._part.write, self._take())
        return True

    async def end(self) -> None:
        assert self._part is not None
        await self._crossed()
        part = self._part
        future = self._pool.run(part.finish, self._take())
        future.add_done_callback(lambda _: self._pool.run(part.close))
        self._part = None
        self._finished.append(future)
        self._finishing.add(future)
        if len(self._finishing) >= self._limit:
            _, self._finishing = await asyncio.wait(self._finishing, return_when=asyncio.FIRST_COMPLETED)

    async def results(self) -> list[Any]:
        """The results of the parts that have ended, in their order."""
        return [await future for future in self._finished]

    async def abandon(self) -> bool:
        """Drop the part that has not ended. Returns whether there was one."""
        part, self._part = self._part, None
        if part is None:
            return False
        self._take()
        if self._crossing is not None:
            await asyncio.wait([self._crossing])
            self._crossing = None
        await self._pool.run(part.close)
        return True

    def _take(self) -> list[bytes]:
        gathered, self._gathered, self._size = self._gathered, [], 0
        return gathered

    async def _crossed(self) -> None:
        if self._crossing is not None:
            await asyncio.shield(self._crossing)  # the thread goes on, so even a cancelled caller waits
            self._crossing = None

    async def __aenter__(self) -> Intake:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.abandon()
        if self._finishing:
            await asyncio.wait(self._finishing)


async def chunks(request: Request, patience: float = STALL_TIMEOUT) -> AsyncIterator[bytes]:
    """The body as it arrives. `Stalled` when nothing, or next to nothing, arrives in `patience` seconds of
    waiting for it.

    `UnsupportedEncoding` for a body with Content-Encoding; Starlette's `ClientDisconnect` when the client is
    gone.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedEncoding
    stream, clock = request.stream(), asyncio.get_running_loop().time
    waited, came = 0.0, 0
    while True:
        began = clock()
        try:
            async with asyncio.timeout(patience):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise Stalled from None
        if chunk is None:
            return
        waited += clock() - began
        came += len(chunk)
        if waited >= patience:
            if came < MINIMUM_RATE * waited:
                raise Stalled
            waited, came = 0.0, 0
        if chunk:
            yield chunk


async def feed(
    request: Request, reader: MultipartReader, intake: Intake, sink: Callable[[PartBegins], Sink]
) -> None:
    """Receive all parts of a multipart body, each into a sink made for its header."""
    body = chunks(request)
    async for chunk in body:
        for event in reader.feed(chunk):
            if isinstance(event, PartData):
                if not await intake.data(event.data):
                    await intake.end()
                    return
            elif isinstance(event, PartBegins):
                intake.begin(sink(event))
            else:
                await intake.end()
        if reader.ended:
            await _pass_epilogue(body)
            return
    reader.close()


async def _pass_epilogue(body: AsyncIterator[bytes]) -> None:
    """Read what follows the last part. If the connection were closed right after the answer, a sender would
    be cut off and never read it. One that announced more than it sends is answered all the same."""
    passed = 0
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(EPILOGUE_TIMEOUT):
            async for chunk in body:
                passed += len(chunk)
                if passed > MAX_EPILOGUE:
                    return
