"""Bodies made piece by piece: complete, in their order, and closed whichever way they end."""

from __future__ import annotations

import threading
from collections.abc import Generator, MutableMapping
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from pacs.errors import RangeNotSatisfiable
from pacs.http.byte_range import byte_range
from pacs.http.streaming import (
    BATCH,
    PIECE,
    SMALL,
    Complete,
    Streamed,
    batches,
    body_answer,
    coalesced,
    resumed,
    sliced,
)

SIZES = st.lists(st.integers(0, 2 * PIECE), max_size=8)


def _pieces(sizes: list[int]) -> list[bytes]:
    return [bytes([n % 251]) * size for n, size in enumerate(sizes)]


@given(SIZES)
def test_gathering_changes_no_byte(sizes: list[int]) -> None:
    pieces = _pieces(sizes)
    found = list(coalesced(pieces))
    assert b"".join(found) == b"".join(pieces)
    assert all(
        len(piece) >= PIECE or n == len(found) - 1 or len(found[n + 1]) >= PIECE
        for n, piece in enumerate(found)
    )


@given(SIZES, st.integers(0, 10 * PIECE), st.integers(0, 10 * PIECE))
def test_a_slice_of_the_pieces_is_a_slice_of_the_whole(sizes: list[int], start: int, stop: int) -> None:
    pieces = _pieces(sizes)
    assert b"".join(sliced(pieces, start, stop)) == b"".join(pieces)[start:stop]


class Source:
    def __init__(self, pieces: int = 10, fails_at: int = -1) -> None:
        self.closed = False
        self.made = 0
        self._pieces, self._fails_at = pieces, fails_at

    def __call__(self) -> Generator[bytes, None, None]:
        try:
            for n in range(self._pieces):
                if n == self._fails_at:
                    raise RuntimeError
                self.made += 1
                yield bytes([n % 251]) * PIECE
        finally:
            self.closed = True


def run(response: Response, method: str = "GET", leaves_after: int = 1000) -> list[bytes]:
    """What is sent to a caller who hangs up after so many pieces."""
    sent: list[bytes] = []
    left = anyio.Event()

    async def receive() -> dict[str, Any]:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            sent.append(message["body"])
            if len(sent) == leaves_after:
                left.set()
                await anyio.sleep_forever()

    scope = {"type": "http", "method": method, "asgi": {"spec_version": "2.3"}, "headers": []}
    anyio.run(response, scope, receive, send)
    return sent


def test_all_of_it_is_sent_and_closed() -> None:
    source = Source()
    sent = run(Streamed(source(), "text/plain"))
    assert b"".join(sent) == b"".join(bytes([n]) * PIECE for n in range(10))
    assert source.closed


def test_nothing_more_is_made_for_a_caller_who_hangs_up() -> None:
    source = Source(1000)
    run(Streamed(source(), "text/plain"), leaves_after=3)
    assert source.closed
    assert source.made <= 3 + 2 * BATCH // PIECE


def test_head_makes_one_piece_only() -> None:
    source = Source()
    assert b"".join(run(Streamed(source(), "text/plain", 10 * PIECE), "HEAD")) == b""
    assert (source.made, source.closed) == (1, True)


@pytest.mark.parametrize("size", [None, 10 * PIECE])
def test_head_tells_the_size_that_get_would_have(size: int | None) -> None:
    started = list[MutableMapping[str, Any]]()

    async def receive() -> dict[str, Any]:
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: MutableMapping[str, Any]) -> None:
        started.append(message)

    anyio.run(Streamed(Source()(), "text/plain", size), {"type": "http", "method": "HEAD"}, receive, send)
    told = Headers(raw=started[0]["headers"]).get("content-length")
    assert told == (None if size is None else str(size))


def test_what_fails_at_first_fails_before_the_answer() -> None:
    source = Source(fails_at=0)
    with pytest.raises(RuntimeError):
        Streamed(source(), "text/plain")
    assert source.closed


def test_pieces_that_take_long_hold_up_nothing_else() -> None:
    made = threading.Event()

    def slow() -> Generator[bytes, None, None]:
        yield bytes(PIECE)
        made.wait(120)

    async def receive() -> dict[str, Any]:
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: MutableMapping[str, Any]) -> None:
        pass

    async def meanwhile() -> None:
        scope = {"type": "http", "method": "GET", "asgi": {"spec_version": "2.3"}, "headers": []}
        try:
            async with anyio.create_task_group() as answers:
                for _ in range(100):
                    answers.start_soon(Streamed(slow(), "text/plain"), scope, receive, send)
                await anyio.sleep(0.2)
                with anyio.fail_after(60):
                    assert await run_in_threadpool(sum, (1, 2)) == 3
                made.set()
        finally:
            made.set()

    anyio.run(meanwhile)


def test_small_bodies_are_sent_at_once() -> None:
    source = Source(2)
    assert not isinstance(body_answer(source(), "text/plain", 2 * PIECE), Streamed)
    assert source.closed
    assert isinstance(body_answer(Source()(), "text/plain", SMALL + 1), Streamed)


@given(SIZES)
def test_all_at_once_or_batch_by_batch_it_is_the_same(sizes: list[int]) -> None:
    pieces = _pieces(sizes)
    made = list(batches(pieces))
    assert [piece for batch in made for piece in batch] == list(coalesced(pieces))
    assert all(sum(map(len, batch)) >= BATCH for batch in made[1:-1])
    whole = Complete(list(coalesced(pieces)), "text/plain", 200, None)
    assert b"".join(run(whole)) == b"".join(pieces)
    assert int(whole.headers["content-length"]) == sum(sizes)


def test_what_fails_on_the_way_breaks_the_answer_and_is_closed() -> None:
    source = Source(fails_at=7)
    with pytest.raises(RuntimeError):
        run(Streamed(source(), "text/plain"))
    assert source.closed


def test_what_was_begun_is_closed_with_the_rest() -> None:
    source = Source()
    pieces = source()
    rest = resumed(next(pieces), pieces)
    next(rest)
    rest.close()
    assert source.closed


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=99-", (99, 100)),
        ("bytes=90-200", (90, 100)),
        ("bytes=-5", (95, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes = 1 - 2", (1, 3)),
    ],
)
def test_parts(header: str, part: tuple[int, int]) -> None:
    found = byte_range(_request(header), 100, '"e"')
    assert ((found.start, found.stop), found.partial) == (part, True)
    assert found.headers["Content-Range"] == f"bytes {part[0]}-{part[1] - 1}/100"


@pytest.mark.parametrize(
    "header", ["", "bytes=-", "bytes=5-4", "bytes=0-1,4-5", "items=0-1", "bytes=a-b", "0-1"]
)
def test_what_asks_for_no_single_part_gets_all(header: str) -> None:
    found = byte_range(_request(header), 100, '"e"')
    assert ((found.start, found.stop), found.partial) == ((0, 100), False)
    assert "Content-Range" not in found.headers


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_what_lies_nowhere(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        byte_range(_request(header), 100, '"e"')


def test_a_part_of_something_else_is_not_sent() -> None:
    assert not byte_range(_request("bytes=1-2", '"old"'), 100, '"e"').partial
    assert byte_range(_request("bytes=1-2", '"e"'), 100, '"e"').partial


def test_parts_are_of_what_get_gives_only() -> None:
    assert not byte_range(_request("bytes=1-2", method="HEAD"), 100, '"e"').partial
    assert not byte_range(_request("bytes=100-", method="HEAD"), 100, '"e"').partial


def _request(header: str, if_range: str = "", method: str = "GET") -> Request:
    headers = [(b"range", header.encode())] + ([(b"if-range", if_range.encode())] if if_range else [])
    return Request({"type": "http", "method": method, "headers": headers})
