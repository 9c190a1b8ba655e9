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
