"""The first time at once, then a sum at most every `EVERY` seconds."""

from __future__ import annotations

from pacs.seldom import EVERY, Seldom


def test_the_first_time_is_told_and_then_how_often() -> None:
    now = 0.0
    seldom = Seldom(lambda: now)
    assert [seldom.times() for _ in range(4)] == [1, 0, 0, 0]
    now = EVERY - 1
    assert seldom.times() == 0
    now = EVERY
    assert [seldom.times() for _ in range(2)] == [5, 0]
    now = 10 * EVERY
    assert seldom.times() == 2
