"""Processes that end: told to, while others still work, or killed while they receive."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.conformance.server import PATIENCE, Server
from tests.dimse.wire import Wire, store_command

DATA_SET = bytes(1 << 20)


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Server]:
    """One process of each kind, with much time to end."""
    server = Server(
        tmp_path / "data",
        {"PACS_PROCESSES_DIMSE": "1", "PACS_PROCESSES_HTTP": "1", "PACS_DRAIN_TIMEOUT": "100"},
    )
    server.start()
    yield server
    server.stop()


def eventually(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def begin_store(wire: Wire) -> list[bytes]:
    """Send half of an object; returns the other half."""
    wire.associate()
    sent = Wire.encoded(3, store_command(), DATA_SET)
    half = len(sent) // 2
    wire.send(*sent[:half])
    return sent[half:]


def test_a_port_is_closed_while_others_still_work(alone: Server) -> None:
    """Who called was let wait, for as long as another process of the node had to finish something."""
    with Wire(alone.dimse_port) as wire:
        rest = begin_store(wire)
        eventually("it is being received", lambda: spooled(alone) != [])
        process, alone._process = alone._process, None
        assert process is not None
        process.terminate()
        for port in (alone.http_port, alone.dimse_port):
            eventually("nobody listens", partial(refused, port))
        wire.send(*rest)
        assert wire.response().is_response
    assert process.wait(PATIENCE) == 0


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 60).close()
    except ConnectionRefusedError:
        return True
    return False


def spooled(server: Server) -> list[Path]:
    return [path for path in (server.data / "spool").rglob("*") if path.is_file()]


def test_the_successor_of_a_dead_process_removes_what_that_received(alone: Server) -> None:
    """It took up space until the whole node was started again."""
    with Wire(alone.dimse_port) as wire:
        begin_store(wire)
        eventually("it is being received", lambda: spooled(alone) != [])
        (spool,) = {int(path.parent.name.split("-")[-2]) for path in spooled(alone)}
        psutil.Process(spool).kill()
    eventually("it is gone", lambda: spooled(alone) == [])
