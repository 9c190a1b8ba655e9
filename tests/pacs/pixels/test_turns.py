"""First come, first served."""

from __future__ import annotations

import threading

from pacs.pixels.turns import Turns


def test_who_waits_is_served_before_who_comes_again() -> None:
    turns, served, done = Turns(1), list[str](), threading.Event()
    assert turns.take(0)

    def wait() -> None:
        assert turns.take(60)
        served.append("waiting")
        turns.give_back()
        done.set()

    thread = threading.Thread(target=wait)
    thread.start()
    while not turns.waiting:
        done.wait(0.01)
    turns.give_back()
    assert turns.take(60)  # at once again, as the next frame of a stream does
    served.append("again")
    thread.join()
    assert served == ["waiting", "again"]


def test_who_gave_up_waits_no_more_and_no_place_is_lost() -> None:
    turns = Turns(2)
    assert turns.take(0) and turns.take(0)
    assert not turns.take(0.01)
    assert turns.waiting == 0
    turns.give_back()
    turns.give_back()
    assert turns.take(0) and turns.take(0) and not turns.take(0)
