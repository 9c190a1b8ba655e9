"""Items from a thread beside, and what happens to those that nobody wants any more."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count

import pytest

from dimse.apart import Apart
from pacs.errors import DatabaseUnavailable
from tests.waiting import eventually


class GivenUp(Exception):
    pass


def give_up() -> None:
    raise GivenUp


def unasked() -> None:
    pass


def test_all_items_come_in_order() -> None:
    assert list(Apart().each(iter(range(1000)), unasked)) == list(range(1000))


def test_an_error_comes_behind_the_items_before_it() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise DatabaseUnavailable

    items = Apart().each(failing(), unasked)
    assert next(items) == 1
    with pytest.raises(DatabaseUnavailable):
        next(items)


def test_what_has_come_is_not_held_back_for_the_next() -> None:
    go_on = threading.Event()

    def slow() -> Iterator[int]:
        yield 1
        yield 2
        assert go_on.wait(60)
        yield 3

    items = Apart().each(slow(), unasked)
    assert [next(items), next(items)] == [1, 2]
    go_on.set()
    assert list(items) == [3]


def test_few_are_made_ahead_of_a_slow_reader() -> None:
    made: list[int] = []

    def endless() -> Iterator[int]:
        for number in count():
            made.append(number)
            yield number

    items = Apart().each(endless(), unasked)
    for number in range(1000):
        assert next(items) == number
        assert len(made) - number <= 66


def test_without_a_thread_they_are_taken_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    assert list(Apart().each(iter([1, 2]), unasked)) == [1, 2]


def test_what_nobody_takes_any_more_ends() -> None:
    """Also one that waits for room; its own end, as a search's audit record, is not lost."""
    ended = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.set()

    items = Apart().each(endless(), unasked)
    assert next(items) == 1
    del items
    assert ended.wait(60)


def test_the_next_begins_when_what_was_given_up_has_ended() -> None:
    apart, go_on, begun = Apart(), threading.Event(), threading.Event()

    def waiting() -> Iterator[int]:
        assert go_on.wait(60)
        yield 1

    def following() -> Iterator[int]:
        begun.set()
        yield 2

    with pytest.raises(GivenUp):
        next(apart.each(waiting(), give_up))
    with pytest.raises(GivenUp):
        next(apart.each(following(), give_up))
    assert not begun.is_set()
    go_on.set()
    eventually("it has ended", lambda: all(thread.name != "apart" for thread in threading.enumerate()))
    assert list(apart.each(following(), unasked)) == [2]


def test_one_within_another_does_not_wait_for_it() -> None:
    """With a window of operations, a query is served while another goes on."""
    apart = Apart()
    outer = apart.each(iter([1, 2, 3]), unasked)
    assert next(outer) == 1
    assert list(apart.each(iter([4, 5]), unasked)) == [4, 5]
    assert list(outer) == [2, 3]
