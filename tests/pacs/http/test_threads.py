"""Calls that an event loop makes in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from contextvars import ContextVar

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from pacs.errors import Unavailable
from pacs.http.threads import ThreadPool

PATIENCE = 60.0


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    gate = threading.Event()
    yield gate
    gate.set()


def test_results_and_errors_come_back() -> None:
    def fails() -> None:
        raise KeyError("no")

    async def main() -> None:
        pool = ThreadPool("test", 2)
        assert await pool.run(divmod, 7, 2) == (3, 1)
        with pytest.raises(KeyError, match="no"):
            await pool.run(fails)
        with pytest.raises(RuntimeError, match="StopIteration"):
            await pool.run(next, iter(()))
        assert await pool.run(divmod, 9, 2) == (4, 1)

    asyncio.run(main())


def test_context_variables_go_along_and_not_back() -> None:
    known = ContextVar("known", default="")

    def seen() -> str:
        before = known.get()
        known.set("changed")
        return before

    async def main() -> None:
        pool = ThreadPool("test", 1)
        for word in ("one", "two"):
            known.set(word)
            assert await pool.run(seen) == word
            assert known.get() == word

    asyncio.run(main())


def test_where_no_more_threads_can_be_had_those_that_are_there_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        pool = ThreadPool("test", 2)
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refused)
            with pytest.raises(Unavailable):
                await pool.run(divmod, 7, 2)
        assert await pool.run(divmod, 7, 2) == (3, 1)
        monkeypatch.setattr(threading.Thread, "start", refused)
        assert await asyncio.gather(*(pool.run(divmod, 7, 2) for _ in range(5))) == [(3, 1)] * 5

    asyncio.run(main())


def test_one_thread_serves_callers_one_after_the_other() -> None:
    async def main() -> set[int]:
        pool = ThreadPool("test", 8)
        return {await pool.run(threading.get_ident) for _ in range(20)}

    assert len(asyncio.run(main())) == 1


def test_no_more_threads_than_allowed(gate: threading.Event) -> None:
    began = threading.Semaphore(0)

    def hold() -> int:
        began.release()
        assert gate.wait(PATIENCE)
        return threading.get_ident()

    async def main() -> None:
        pool = ThreadPool("test", 3)
        held = [pool.run(hold) for _ in range(9)]
        for _ in range(3):
            assert await asyncio.to_thread(began.acquire, timeout=PATIENCE)
        assert not began.acquire(blocking=False)
        gate.set()
        assert len(set(await asyncio.gather(*held))) <= 3

    asyncio.run(main())


def test_what_is_cancelled_before_it_began_is_not_done(gate: threading.Event) -> None:
    done = list[str]()

    async def main() -> None:
        pool = ThreadPool("test", 1)
        first = pool.run(gate.wait, PATIENCE)
        second, third = pool.run(done.append, "second"), pool.run(done.append, "third")
        second.cancel()
        gate.set()
        assert await first
        await third

    asyncio.run(main())
    assert done == ["third"]


def test_a_loop_that_ended_takes_no_thread_along(gate: threading.Event) -> None:
    pool = ThreadPool("test", 1)

    async def leaves() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(pool.run(gate.wait, PATIENCE), 0)

    async def comes() -> int:
        return await pool.run(lambda: 7)

    asyncio.run(leaves())
    gate.set()
    assert asyncio.run(comes()) == 7


def test_more_calls_than_may_queue_are_refused(gate: threading.Event) -> None:
    async def main() -> None:
        pool = ThreadPool("test", 1, queue=1)
        running, queued = pool.run(gate.wait, PATIENCE), pool.run(gate.wait, PATIENCE)
        with pytest.raises(Unavailable):
            pool.run(gate.wait, PATIENCE)
        gate.set()
        assert await running and await queued
        assert await pool.run(divmod, 7, 2) == (3, 1)

    asyncio.run(main())


def test_an_endpoint_is_called_in_the_pool_and_keeps_its_name() -> None:
    def thread_of(request: Request) -> Response:
        return PlainTextResponse(threading.current_thread().name)

    endpoint = ThreadPool("test", 1).endpoint(thread_of)

    async def main() -> Response:
        return await endpoint(Request({"type": "http"}))

    assert asyncio.run(main()).body == b"test"
    assert endpoint.__name__ == "thread_of"
