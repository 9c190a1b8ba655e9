"""A caller may go on only when pynetdicom's reactor is held, however late the reactor comes."""

from __future__ import annotations

import threading

from pynetdicom import AE
from pynetdicom.association import Association

from tests.reactor import Checkpoint, mend


def test_clear_returns_only_when_the_reactor_is_held_and_it_stays_held_until_set() -> None:
    rounds, in_between = 200, []
    caller_is_alone = threading.Event()
    done = threading.Event()

    def react() -> None:
        while not done.is_set():
            if caller_is_alone.is_set():
                in_between.append("the reactor ran")
            checkpoint.wait()

    reactor = threading.Thread(target=react)
    checkpoint = Checkpoint(reactor)
    reactor.start()
    for _ in range(rounds):
        checkpoint.clear()
        caller_is_alone.set()
        caller_is_alone.clear()
        checkpoint.set()
    done.set()
    checkpoint.set()
    reactor.join()
    assert in_between == []
    checkpoint.clear()  # of a reactor that has ended: returns


def test_the_reactor_does_not_wait_for_itself() -> None:
    checkpoint = Checkpoint(threading.current_thread())
    checkpoint.clear()


def test_every_association_has_one() -> None:
    mend()
    association = Association(AE(), "requestor")
    assert isinstance(association._reactor_checkpoint, Checkpoint)
