"""More connections and listeners than may be: those who are there are served on, and health is told."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.conformance.server import Server
from tests.waiting import eventually

CONNECTIONS, STREAMS = 10, 2


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("crowded")
    limits = {"PACS_MAX_CONNECTIONS": str(CONNECTIONS), "PACS_MAX_EVENT_STREAMS": str(STREAMS)}
    server = Server(folder / "data", {**limits, "PACS_PROCESSES_HTTP": "1"})
    server.start()
    yield server
    server.stop()


def test_newcomers_are_told_to_come_again(small: Server) -> None:
    with ExitStack() as opened:
        held = [
            opened.enter_context(socket.create_connection(("127.0.0.1", small.http_port), timeout=60))
            for _ in range(CONNECTIONS)
        ]
        for peer in held:  # who is answered is counted
            peer.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200 OK" in peer.recv(65536)
        late = httpx.get(f"{small.url}/signin")
        assert (late.status_code, late.json()["code"]) == (503, "UNAVAILABLE")
        assert late.headers["Retry-After"]
        eventually("it is ready", small.ready)
        assert small.quick_command("health").strip() == "healthy"
        held[0].sendall(b"GET /signin HTTP/1.1\r\nHost: x\r\n\r\n")
        assert held[0].recv(65536).startswith(b"HTTP/1.1 200")


def test_event_streams_are_counted_for_each_organisation(small: Server) -> None:
    events = "/api/v1/events"
    with ExitStack() as opened:
        mine, theirs = (
            opened.enter_context(client) for client in (small.web(), small.web(organization="other"))
        )
        lines = list[Iterator[str]]()  # one that is forgotten hangs up
        for _ in range(STREAMS):
            lines.append(opened.enter_context(mine.stream("GET", events)).iter_lines())
            assert next(lines[-1]).startswith("retry")
        listening = opened.enter_context(theirs.stream("GET", events))
        assert listening.status_code == 200
        with mine.stream("GET", events) as refused:
            assert refused.status_code == 503 and refused.headers["Retry-After"]
