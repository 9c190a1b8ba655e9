"""What is read before its turn comes, and what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from dimse.ahead import READERS, SMALL, read_ahead
from pacs.model import Blob, StoredInstance
from tests.dimse.holdings import Holdings, Reader


@pytest.fixture
def readers() -> Iterator[Executor]:
    with ThreadPoolExecutor(READERS) as pool:
        yield pool


def test_all_come_in_their_order_with_their_data_sets(readers: Executor) -> None:
    holdings = Holdings()
    held = [holdings.add_image() for _ in range(100)]
    instances = [one.instance for one in held]
    expected = [(one.instance, one.data_set) for one in held]
    assert list(read_ahead(instances, holdings.open, readers)) == expected
    assert list(read_ahead([], holdings.open, readers)) == []


def test_what_is_damaged_waits_for_its_turn(readers: Executor) -> None:
    holdings = Holdings()
    held = [holdings.add_image() for _ in range(5)]
    held[2].damaged = True
    held[3].damaged_late = True
    found = read_ahead([one.instance for one in held], holdings.open, readers)
    assert [data_set is None for _, data_set in found] == [False, False, True, True, False]


def test_large_ones_are_not_read(readers: Executor) -> None:
    holdings = Holdings()
    large = holdings.add_image()
    large.instance = replace(large.instance, blob=Blob(large.instance.blob.address, SMALL + 1))
    small = holdings.add_image()
    opened: list[StoredInstance] = []

    def open_blob(instance: StoredInstance) -> Reader:
        opened.append(instance)
        return holdings.open(instance)

    found = list(read_ahead([large.instance, small.instance], open_blob, readers))
    assert found == [(large.instance, None), (small.instance, small.data_set)]
    assert opened == [small.instance]


class Busy(Executor):
    """Does what it is asked first, and then nothing any more."""

    def __init__(self) -> None:
        self.asked: list[Future[Any]] = []

    def submit(self, work: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if not self.asked:
            future.set_result(work(*args, **more))
        self.asked.append(future)
        return future


def test_little_is_under_way_and_forgotten_when_nobody_wants_more() -> None:
    one = Holdings().add_image()
    halves = [replace(one.instance, blob=Blob(one.instance.blob.address, SMALL // 2))] * 1000
    busy = Busy()
    with closing(read_ahead(halves, lambda instance: Reader(one.file, False, False), busy)) as ahead:
        assert next(ahead) == (halves[0], one.data_set)
        assert len(busy.asked) < 10
    assert all(future.cancelled() for future in busy.asked[1:])
