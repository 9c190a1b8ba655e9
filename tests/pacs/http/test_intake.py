"""A request's body crosses into threads: in order, bounded, and cleared away however it ends."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from starlette.requests import Request

from pacs.errors import Stalled, StorageFull, Unavailable
from pacs.http import intake
from pacs.http.intake import BATCH, Intake, IntakePool, Sink, chunks, feed
from pacs.http.multipart_reader import MultipartReader, PartBegins
from tests.waiting import eventually


class Noting(Sink):
    """Remembers what happened to it; `finish` takes a while."""

    at_work = most = 0
    lock = threading.Lock()

    def __init__(self, fault: Exception | None = None) -> None:
        self.data = bytearray()
        self.closed = False
        self.result: bytes | None = None
        self.fault = fault

    def write(self, data: bytes) -> None:
        if self.fault:
            raise self.fault
        self.data += data

    def finish(self) -> bytes:
        with Noting.lock:
            Noting.at_work += 1
            Noting.most = max(Noting.most, Noting.at_work)
        time.sleep(0.01)
        with Noting.lock:
            Noting.at_work -= 1
        self.result = bytes(self.data)
        return self.result

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("finishing", [1, 3])
def test_parts_arrive_whole_and_in_order_and_few_are_finished_at_a_time(finishing: int) -> None:
    parts = [[b"%d" % n, b"x" * BATCH, b"y" * (BATCH // 2), b"z" * BATCH, b"end"] for n in range(7)]

    async def run() -> list[bytes]:
        async with Intake(IntakePool(), finishing) as intake:
            for pieces in parts:
                intake.begin(Noting())
                for piece in pieces:
                    await intake.data(piece)
                await intake.end()
            return await intake.results()

    Noting.at_work = Noting.most = 0
    assert asyncio.run(run()) == [b"".join(pieces) for pieces in parts]
    assert Noting.most <= finishing


def test_the_sender_does_not_wait_until_a_part_is_cleared_away() -> None:
    """Metadata is prepared then, which nobody has asked for yet."""
    answered, closed = threading.Event(), threading.Event()

    class Tidying(Noting):
        def close(self) -> None:
            if answered.wait(60):
                closed.set()

    async def run() -> list[bytes]:
        async with Intake(IntakePool()) as intake:
            for _ in range(3):
                intake.begin(Tidying())
                await intake.data(b"whole")
                await intake.end()
            return await intake.results()

    assert asyncio.run(asyncio.wait_for(run(), 30)) == [b"whole"] * 3
    answered.set()
    assert closed.wait(60)


def test_a_part_whose_finish_is_cancelled_in_the_queue_is_cleared_away() -> None:
    at_work, go_on = threading.Event(), threading.Event()
    sink = Noting()

    def hold() -> None:
        at_work.set()
        go_on.wait(60)

    async def receive(pool: IntakePool) -> None:
        async with Intake(pool) as intake:
            intake.begin(sink)
            await intake.end()
            await intake.results()

    async def run() -> None:
        pool = IntakePool(threads=1)
        held = pool.run(hold)
        receiving = asyncio.create_task(receive(pool))
        while not receiving.cancelled():
            await asyncio.sleep(0.01)
            receiving.cancel()
            with suppress(asyncio.CancelledError):
                await receiving
        go_on.set()
        await held
        await pool.run(at_work.wait, 60)  # behind what was queued

    asyncio.run(asyncio.wait_for(run(), 60))
    assert sink.closed and sink.result is None


class Slow(Noting):
    """Writes until it may `go_on`."""

    def __init__(self) -> None:
        super().__init__()
        self.writing, self.go_on, self.ended = (threading.Event() for _ in range(3))
        self.closed_in_between = False

    def write(self, data: bytes) -> None:
        self.writing.set()
        self.go_on.wait(60)
        self.writing.clear()

    def close(self) -> None:
        self.closed_in_between = self.writing.is_set()
        self.ended.set()


def test_a_part_of_who_is_cancelled_is_abandoned_when_it_is_no_longer_written() -> None:
    """Its file was closed under the thread that wrote, and its number could be another object's by then."""
    slow = Slow()

    async def receive() -> None:
        async with Intake(IntakePool()) as intake:
            intake.begin(slow)
            for _ in range(2):
                await intake.data(bytes(BATCH))

    async def run() -> None:
        receiving = asyncio.create_task(receive())
        assert await asyncio.to_thread(slow.writing.wait, 60)
        receiving.cancel()
        await asyncio.to_thread(slow.ended.wait, 0.3)
        slow.go_on.set()
        with suppress(asyncio.CancelledError):
            await receiving

    asyncio.run(run())
    assert slow.ended.is_set() and not slow.closed_in_between


def test_a_part_that_has_not_ended_is_abandoned() -> None:
    whole, half = Noting(), Noting()

    async def run() -> None:
        async with Intake(IntakePool()) as intake:
            for sink in (whole, half):
                intake.begin(sink)
                await intake.data(bytes(2 * BATCH))
                if sink is whole:
                    await intake.end()
            raise ConnectionError

    with pytest.raises(ConnectionError):
        asyncio.run(run())
    assert (len(whole.result or b""), half.result) == (2 * BATCH, None)
    assert half.closed and Noting.at_work == 0
    eventually("the whole part is cleared away", lambda: whole.closed)


def test_a_sink_that_fails_ends_the_request_and_hangs_nothing() -> None:
    sink = Noting(ZeroDivisionError())

    async def run() -> None:
        async with Intake(IntakePool()) as intake:
            intake.begin(sink)
            for _ in range(4):
                await intake.data(bytes(BATCH))
            await intake.end()
            await intake.results()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(asyncio.wait_for(run(), 30))


def test_only_so_many_requests_are_taken_in_at_a_time() -> None:
    pool = IntakePool(requests=2)
    with pool.request():
        with suppress(ConnectionError), pool.request():
            with pytest.raises(Unavailable), pool.request():
                pass
            raise ConnectionError
        with pool.request():
            pass


class Refusing(Noting):
    """Takes so many bytes and no more, as a disk does that is full then."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, data: bytes) -> None:
        super().write(data)
        if len(self.data) >= self.room:
            raise StorageFull


def test_an_endless_part_that_was_refused_is_not_read_for_ever() -> None:
    sink = Refusing(2 * BATCH)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": bytes(1 << 16), "more_body": True}

    async def run() -> list[Any]:
        reader = MultipartReader("b")
        assert [type(event) for event in reader.feed(b"--b\r\n\r\n")] == [PartBegins]
        async with Intake(IntakePool(), let_pass=8 * BATCH) as intake:
            intake.begin(sink)
            await feed(Request({"type": "http", "headers": []}, receive), reader, intake, lambda part: sink)
            return await intake.results()

    (error,) = asyncio.run(asyncio.wait_for(run(), 60))
    assert isinstance(error, StorageFull) and sink.closed and sink.result is None


def test_the_reason_of_a_refusal_does_not_keep_what_was_refused() -> None:
    """A request may have a hundred thousand parts of a few bytes, and their results are kept to its end."""

    class Damaging(Noting):
        def finish(self) -> bytes:
            try:
                return self.data[0].to_bytes()
            except IndexError as fault:
                raise StorageFull from fault

    async def run() -> list[Any]:
        async with Intake(IntakePool()) as intake:
            for sink in (Refusing(1), Damaging()):
                intake.begin(sink)
                await intake.data(b"a" if isinstance(sink, Refusing) else b"")
                await intake.end()
            return await intake.results()

    errors = asyncio.run(run())
    assert len(errors) == 2
    for error in errors:
        assert isinstance(error, StorageFull)
        assert [error.__traceback__, error.__cause__, error.__context__] == [None] * 3


def results_of(*pieces: bytes, then: Callable[[], Awaitable[dict[str, Any]]]) -> list[Any]:
    """`then`: what is received behind the pieces of the body."""
    left = list(pieces)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": left.pop(0), "more_body": True} if left else await then()

    async def run() -> list[Any]:
        request = Request({"type": "http", "headers": []}, receive)
        async with Intake(IntakePool()) as intake:
            await feed(request, MultipartReader("b"), intake, lambda _: Noting())
            return await intake.results()

    found = asyncio.run(asyncio.wait_for(run(), 60))
    assert not left
    return found


async def ended() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def endless() -> dict[str, Any]:
    await asyncio.sleep(0)
    return {"type": "http.request", "body": bytes(1 << 16), "more_body": True}


async def silent() -> dict[str, Any]:
    await asyncio.sleep(60)
    raise AssertionError


async def gone() -> dict[str, Any]:
    return {"type": "http.disconnect"}


@pytest.mark.parametrize("then", [ended, endless, silent, gone])
def test_what_follows_the_last_part_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, then: Callable[[], Awaitable[dict[str, Any]]]
) -> None:
    monkeypatch.setattr(intake, "EPILOGUE_TIMEOUT", 0.01 if then is silent else 60.0)
    assert results_of(b"--b\r\n\r\nwhole", b"\r\n--b--", b"epilogue", then=then) == [b"whole"]


def test_what_follows_a_refused_part_is_taken_in() -> None:
    async def run() -> list[Any]:
        async with Intake(IntakePool(), let_pass=8 * BATCH) as intake:
            for sink in (Refusing(BATCH), Noting()):
                intake.begin(sink)
                for _ in range(4):
                    assert await intake.data(bytes(BATCH))
                await intake.end()
            return await intake.results()

    refused, stored = asyncio.run(run())
    assert isinstance(refused, StorageFull) and len(stored) == 4 * BATCH


def test_a_client_that_pauses_too_long_is_given_up() -> None:
    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        raise AssertionError

    async def run() -> None:
        async for _ in chunks(Request({"type": "http", "headers": []}, receive), patience=0.01):
            pass

    with pytest.raises(Stalled):
        asyncio.run(run())


class Ahead(asyncio.SelectorEventLoop):
    """One whose clock is set ahead, so that it does not matter how long a busy machine takes."""

    seconds = 0.0

    def time(self) -> float:
        return super().time() + self.seconds


def _received(pieces: int, coming: float, storing: float) -> int:
    """How many pieces of one byte came, each after so many seconds, when each takes so many to store."""
    loop, left = Ahead(), pieces

    async def receive() -> dict[str, Any]:
        nonlocal left
        loop.seconds += coming
        left -= 1
        return {"type": "http.request", "body": b"1", "more_body": left > 0}

    async def stored() -> int:
        came = 0
        async for chunk in chunks(Request({"type": "http", "headers": []}, receive), patience=600):
            came += len(chunk)
            loop.seconds += storing
        return came

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(stored())


def test_a_client_that_sends_a_byte_at_a_time_is_given_up() -> None:
    """Each may come in time: it would keep one of a few places for days."""
    with pytest.raises(Stalled):
        _received(100, coming=10, storing=0)


def test_a_client_that_waits_for_the_disk_is_not_given_up() -> None:
    assert _received(5, coming=0, storing=400) == 5
