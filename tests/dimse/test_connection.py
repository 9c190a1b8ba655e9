"""A connection whose peer takes nothing."""

from __future__ import annotations

import select
import socket

import pytest

from dimse.connection import Connection
from dimse.ended import ConnectionLost, TimedOut
from dimse.states import State
from dimse.upper_layer import Role, UpperLayer


def test_a_peer_that_takes_nothing_is_not_waited_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The abort behind it was given as much time once more, and could follow half a PDU."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        upper_layer = UpperLayer(Role.ACCEPTOR, 1 << 14)
        upper_layer.state = State.STA6
        connection = Connection(ours, upper_layer, 0.1)
        with pytest.raises(TimedOut):
            connection.send_data([bytes(1 << 24)])
        waits: list[float] = []

        def wait(connection: Connection, poll: select.poll, seconds: float) -> list[int]:
            waits.append(seconds)
            raise TimedOut

        monkeypatch.setattr(Connection, "_wait", wait)
        connection.abort()
        with pytest.raises(ConnectionLost):
            connection.next_event(60.0)
        connection.close()
        assert waits == []
