"""Who is ahead of the others, in memory that outlives a fork."""

from __future__ import annotations

import os

import pytest

from config.sharing import ConnectionCounts


@pytest.mark.parametrize(
    ("held", "ahead"),
    [
        ([0], [False]),
        ([7], [False]),
        ([0, 0], [False, False]),
        ([1, 0], [True, False]),
        ([1, 1], [False, False]),
        ([3, 4, 5], [False, True, True]),
        ([4, 5, 6], [False, False, True]),  # a quarter more is nothing
        ([100, 125, 126], [False, False, True]),
    ],
)
def test_a_process_that_holds_more_than_the_others_is_ahead(held: list[int], ahead: list[bool]) -> None:
    sharing = ConnectionCounts(len(held))
    slots = [sharing.slot(number) for number in range(len(held))]
    for slot, count in zip(slots, held, strict=True):
        slot.publish(count)
    assert [slot.is_ahead() for slot in slots] == ahead


def test_what_another_process_tells_is_seen() -> None:
    sharing = ConnectionCounts(2)
    mine, others = sharing.slot(0), sharing.slot(1)
    mine.publish(1)
    assert mine.is_ahead()
    child = os.fork()
    if child == 0:
        others.publish(1)
        os._exit(0)
    os.waitpid(child, 0)
    assert not mine.is_ahead()
