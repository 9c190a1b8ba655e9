"""Connections shared with other processes that listen on the same socket."""

from __future__ import annotations

import threading

import pytest

from dimse import server
from tests.dimse.test_association import eventually
from tests.dimse.wire import Wire
from tests.dimse.world import running


class Told:
    """A place whose others hold fewer until `behind` is set."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.asked = threading.Event()
        self.behind = threading.Event()

    def holds(self, count: int) -> None:
        self.counts.append(count)

    def is_ahead(self) -> bool:
        self.asked.set()
        return not self.behind.is_set()


def test_a_connection_is_left_to_those_who_hold_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_PATIENCE", 60.0)
    place = Told()
    with running(place=place) as world:
        wire = Wire(world.port)
        assert place.asked.wait(30)
        assert world.server.associations == 0
        place.behind.set()
        wire.associate()
        wire.socket.close()
        eventually("it has ended", lambda: place.counts == [0, 1, 0])


def test_one_that_nobody_takes_is_served_all_the_same() -> None:
    with running(place=Told()) as world:
        Wire(world.port).associate()


def test_draining_waits_for_a_connection_just_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is in the table but has not begun cannot be joined; the drain ended in an error."""
    start = threading.Thread.start

    def slowly(thread: threading.Thread) -> None:
        if thread.name == "association":
            starting.set()
            go_on.wait(0.5)
        start(thread)

    starting, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(threading.Thread, "start", slowly)
    with running() as world:
        wire = Wire(world.port)
        assert starting.wait(30)
        assert world.server.drain(30)  # nor does it wait for who says nothing
        assert wire.ended()


def test_no_thread_to_be_had_ends_the_connection_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if thread.name == "association":
            raise RuntimeError("can't start new thread")
        start(thread)

    with running() as world:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refused)
            assert Wire(world.port).ended()
        assert world.server.associations == 0
        Wire(world.port).associate()
