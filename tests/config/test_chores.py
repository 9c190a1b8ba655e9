"""Chores are done again and again, whatever becomes of them, and end with the process."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from config.chores import regularly
from pacs.errors import Unavailable


def test_a_chore_outlives_its_failures_and_goes_on_at_once_while_there_is_more() -> None:
    done, stop = threading.Event(), threading.Event()

    def steps() -> Iterator[bool]:
        yield True
        raised.append(Unavailable())
        yield False
        raised.append(RuntimeError("a bug"))
        yield False
        done.set()
        yield False

    raised: list[Exception] = []
    outcome = steps()

    def chore() -> bool:
        found = next(outcome, False)
        if raised:
            raise raised.pop()
        return found

    with regularly("a chore of its own", chore, 0.001, stop):
        assert done.wait(30)
    assert stop.is_set()
    assert "a chore of its own" not in {thread.name for thread in threading.enumerate()}
