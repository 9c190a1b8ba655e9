"""`pacs health` believes what the server says, and nothing but an answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from click.testing import CliRunner

from config.cli import main
from tests.waiting import PATIENCE

UNWELL = b'{"checks": {"database": {"status": "timeout"}, "objects": {"status": "ok"}}}'


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.cli.health.PATIENCE", PATIENCE)


@contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health/ready" else 200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *about: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def asked(*arguments: str, **environment: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["health", *arguments], env=environment, prog_name="pacs")
    return done.exit_code, done.output


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_server_that_answers_is_healthy_wherever_it_listens(host: str) -> None:
    with answering(503, b"") as port:
        assert asked(PACS_HTTP=f"{host}:{port}") == (0, "healthy\n")
        assert asked("--http", f"{host}:{port}") == (0, "healthy\n")


@pytest.mark.parametrize(
    ("body", "said"), [(UNWELL, "database timeout"), (b"", "503"), (b"[1]", "503"), (b'{"checks": 1}', "503")]
)
def test_what_is_wrong_is_told(body: bytes, said: str) -> None:
    with answering(503, body) as port:
        code, told = asked("--ready", PACS_HTTP=f"127.0.0.1:{port}")
    assert code == 1 and said in told and "objects" not in told


def test_nobody_is_not_healthy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    code, told = asked(PACS_HTTP=f"127.0.0.1:{port}")
    assert code == 1 and "nothing answers" in told


def test_a_server_of_another_protocol_is_not_healthy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def hang_up() -> None:
            peer, _ = other.accept()
            peer.sendall(b"\x16\x03\x01 no HTTP at all\r\n\r\n")
            peer.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        code, told = asked(PACS_HTTP=f"127.0.0.1:{other.getsockname()[1]}")
        thread.join()
    assert code == 1 and "nothing answers" in told
