"""The conformance kit finds nothing wrong with this server, and much with one that does not care."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.conformance.kit.check import Check, Outcome, Peer, perform
from tests.conformance.kit.store import store_samples
from tests.conformance.kit.suite import CHECKS, peer
from tests.conformance.server import Server


@pytest.fixture(scope="module")
def ours(server: Server) -> Iterator[Peer]:
    found = peer(f"{server.url}/dicom-web", token=server.token())
    store_samples(found)
    yield found
    found.web.close()


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_we_keep_to(ours: Peer, check: Check) -> None:
    result = perform(check, ours)
    assert result.outcome is Outcome.PASSED, f"{result.outcome.value}: {result.seen}"


class Careless(BaseHTTPRequestHandler):
    """Says yes to everything, with nothing in it."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"[{}]")

    do_POST = do_OPTIONS = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def careless() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Careless)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/dicom-web"
    server.shutdown()
    thread.join()
    server.server_close()


YES_WILL_DO = {
    "8.7.5 no Accept header means anything",
    "8.7.6 the accept query parameter",
    "8.7.7 several Accept header fields are one list",
    "8.3.5.1.1 annotation",
    "10.4.1.1.3 a series and a study",
    "10.5.1.1 into its own study",
    "8.6.1.2 preamble, epilogue and quoted boundary",
    "8.3.4.3 includefield=all",
    "10.6.1.2 an unknown attribute",
    "10.5.3.1 the same instance again",
}
"""Requirements that a mere 200 fulfils."""


@pytest.mark.parametrize("check", [each for each in CHECKS if str(each) not in YES_WILL_DO], ids=str)
def test_a_careless_server_fails(careless: str, check: Check) -> None:
    assert perform(check, peer(careless)).outcome is Outcome.FAILED


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.conformance", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_tells_and_exits(careless: str) -> None:
    done = _run(careless)
    assert done.returncode == 1, done.stderr
    assert "10.4.1.1.6" in done.stdout and "fail" in done.stdout
    done = _run("http://127.0.0.1:9/dicom-web")
    assert done.returncode == 2 and "takes no instances" in done.stderr
