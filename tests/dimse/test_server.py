"""Connections shared with other processes that listen on the same socket."""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
from collections.abc import MutableMapping
from typing import Any

import pytest

from dimse import server
from dimse.association import Association
from tests.dimse.wire import Wire
from tests.dimse.world import running
from tests.waiting import eventually


class Told:
    """A slot whose others hold fewer until `behind` is set."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.asked = threading.Event()
        self.behind = threading.Event()

    def publish(self, count: int) -> None:
        self.counts.append(count)

    def is_ahead(self) -> bool:
        self.asked.set()
        return not self.behind.is_set()


def test_a_connection_is_left_to_those_who_hold_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_PATIENCE", 60.0)
    slot = Told()
    with running(slot=slot) as world:
        wire = Wire(world.port)
        assert slot.asked.wait(30)
        assert world.server.associations == 0
        slot.behind.set()
        wire.associate()
        wire.socket.close()
        eventually("it has ended", lambda: slot.counts == [0, 1, 0])


def test_one_that_nobody_takes_is_served_all_the_same() -> None:
    with running(slot=Told()) as world:
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


def test_draining_waits_for_a_connection_accepted_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was cut as if its time were over."""
    monkeypatch.setattr(server, "_PATIENCE", 60.0)
    slot, ends = Told(), [threading.Event(), threading.Event()]
    run, coming = Association.run, iter(ends)

    def slowly(association: Association) -> None:
        next(coming).wait(30)
        run(association)

    monkeypatch.setattr(Association, "run", slowly)
    with running(slot=slot) as world:
        slot.behind.set()
        Wire(world.port)
        eventually("it is accepted", lambda: world.server.associations == 1)
        slot.behind.clear()
        slot.asked.clear()
        Wire(world.port)
        assert slot.asked.wait(30)  # it is about to be accepted
        drained: list[bool] = []
        draining = threading.Thread(target=lambda: drained.append(world.server.drain(60)))
        draining.start()
        assert select.select([world.server.stop.begun], [], [], 60)[0]
        slot.behind.set()
        eventually("both are there", lambda: world.server.associations == 2)
        ends[0].set()
        eventually("one has ended", lambda: world.server.associations == 1)
        ends[1].set()
        eventually("both have ended", lambda: world.server.associations == 0)
        draining.join()
        assert drained == [True]


def test_the_last_moment_is_one_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that did not notice had one of its own: a process that was draining was killed in its end."""
    stuck = threading.Event()
    monkeypatch.setattr(Association, "run", lambda association: stuck.wait(60))
    waited: list[float] = []
    join = threading.Thread.join
    with running() as world:
        for _ in range(3):
            Wire(world.port)
        eventually("all are there", lambda: world.server.associations == 3)
        with monkeypatch.context() as patch:

            def counted(thread: threading.Thread, timeout: float = 0.0) -> None:
                waited.append(timeout)
                join(thread, timeout)

            patch.setattr(threading.Thread, "join", counted)
            assert not world.server.drain(0)
        stuck.set()
    assert sum(waited) < 2


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


class OutOfDescriptors:
    """A listener that cannot accept `times` times."""

    def __init__(self, listener: socket.socket, times: int) -> None:
        self._listener = listener
        self.left = times

    def accept(self) -> tuple[socket.socket, Any]:
        if self.left:
            self.left -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return self._listener.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)


def test_what_goes_on_failing_is_said_once(log_lines: list[MutableMapping[str, Any]]) -> None:
    """The log had ten lines a second."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        short: Any = OutOfDescriptors(listening, 3)
        with running(listener=short) as world:
            Wire(world.port).associate()
    said = [line for line in log_lines if line["event"] == "connection not accepted"]
    assert short.left == 0 and [line["times"] for line in said] == [1]
