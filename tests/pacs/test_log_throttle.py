"""The first time at once, then a sum at most every `EVERY` seconds."""

from __future__ import annotations

from pacs.log_throttle import EVERY, LogThrottle


def test_the_first_time_is_told_and_then_how_often() -> None:
    now = 0.0
    throttle = LogThrottle(lambda: now)
    assert [throttle.occurrences() for _ in range(4)] == [1, 0, 0, 0]
    now = EVERY - 1
    assert throttle.occurrences() == 0
    now = EVERY
    assert [throttle.occurrences() for _ in range(2)] == [5, 0]
    now = 10 * EVERY
    assert throttle.occurrences() == 2
