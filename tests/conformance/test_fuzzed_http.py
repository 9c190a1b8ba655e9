"""Whatever arrives on the HTTP port is answered in time, never with 500, and leaves nothing behind.

Query strings, Accept headers, multipart bodies, JSON and bare bytes, over real sockets; the server's
open files, threads and memory are counted before and after.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.conformance import fuzz
from tests.conformance.kit.samples import Sample, Samples
from tests.conformance.kit.store import post
from tests.conformance.server import Server
from tests.waiting import eventually

PATIENCE = 120.0
"""Seconds in which an answer must begin; a hang is far longer, and a busy machine is not it."""
MIB = 1 << 20
BOUNDED = settings(
    max_examples=100,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True)
class Target:
    server: Server
    token: str
    one: Sample

    def status(self, sent: bytes, leave: bool = False) -> int:
        """The answer to these bytes on a connection of their own; 0 when the server merely hangs up.

        `leave`: nothing more is to come, as the server can see.
        """
        with socket.create_connection(("127.0.0.1", self.server.http_port), timeout=PATIENCE) as line:
            with suppress(OSError):
                line.sendall(sent)
                if leave:
                    line.shutdown(socket.SHUT_WR)
            answer = b""
            with suppress(ConnectionError):
                while b"\r\n" not in answer and (more := line.recv(4096)):
                    answer += more
        return int(answer.split(b" ", 2)[1]) if answer else 0

    def ask(self, line: bytes, *headers: bytes, body: bytes | None = None) -> int:
        length = [] if body is None else [b"Content-Length: %d" % len(body)]
        given = [b"Host: localhost", b"Authorization: Bearer " + self.token.encode(), *headers, *length]
        head = b"\r\n".join([line + b" HTTP/1.1", *given, b"Connection: close", b"", b""])
        return self.status(head + (body or b""))

    def usage(self) -> tuple[int, int, int]:
        """Open files and sockets, threads, bytes of memory of all its processes."""
        files = threads = 0
        for process in self.server.processes():
            with suppress(psutil.NoSuchProcess):
                files += process.num_fds()
                threads += process.num_threads()
        return files, threads, self.server.memory()


@pytest.fixture(scope="module")
def target(server: Server) -> Iterator[Target]:
    samples = Samples()
    with server.web() as web:
        web.base_url = f"{server.url}/dicom-web"
        assert post(web, [each.data for each in samples.all]).status_code == 200
    yield Target(server, server.token(), samples.slices[0])


def no_fault(status: int) -> None:
    assert status != 500
    assert status < 500 or status in (501, 503, 505), status


def without_leak(target: Target, work: Callable[[], None]) -> None:
    """Done until it takes no more: the first times may fill pools and caches, on a slow machine later ones.

    There a pool takes another thread while its others are busy. What leaks has no end.
    """
    work()
    for patience in (10.0, 10.0, 10.0, PATIENCE):
        before = target.usage()
        work()
        more = grown(target, before, patience)
        if not more:
            break
    assert not more, more
    eventually("it is ready", target.server.ready)


def grown(target: Target, before: tuple[int, int, int], patience: float) -> str:
    """What of it does not come down again to what it was `before`."""
    deadline = time.monotonic() + patience
    while True:
        files, threads, memory = (now - then for now, then in zip(target.usage(), before, strict=True))
        if files <= 5 and threads <= 5 and memory <= 24 * MIB:
            return ""
        if time.monotonic() > deadline:
            return f"{files} open files, {threads} threads, {memory >> 20} MiB more than {before}"
        time.sleep(0.1)


def path_of(target: Target, resource: str) -> str:
    return resource.format(study=target.one.study, path=f"/dicom-web{target.one.path}")


def test_query_strings(target: Target) -> None:
    @BOUNDED
    @given(st.sampled_from(fuzz.RESOURCES), fuzz.QUERIES)
    def ask(resource: str, query: str) -> None:
        line = f"GET {path_of(target, resource)}?{query}".encode()
        no_fault(target.ask(line, b"Accept: */*"))

    without_leak(target, ask)


def test_accept_headers(target: Target) -> None:
    @BOUNDED
    @given(st.sampled_from(fuzz.RESOURCES), st.lists(fuzz.ACCEPTS, max_size=3))
    def ask(resource: str, accepts: list[bytes]) -> None:
        line = f"GET {path_of(target, resource)}".encode()
        no_fault(target.ask(line, *(b"Accept: " + each for each in accepts)))

    without_leak(target, ask)


TAKERS = ["/dicom-web/studies", "/api/v1/uploads"]


def test_multipart_bodies(target: Target) -> None:
    samples = Samples("FUZZ")
    files = [samples.slices[0].data, samples.slices[0].data[:400], samples.ultrasound.data[:-100]]
    kinds = [
        b'multipart/related; type="application/dicom"; boundary=b',
        b"multipart/related; type=application/dicom+json; boundary=b",
        b'multipart/related; type="application/dicom+xml"; boundary="b"',
        b"multipart/related; boundary=b",
        b"multipart/related; boundary=",
        b"multipart/form-data; boundary=b",
        b"application/dicom",
    ]

    @BOUNDED
    @given(fuzz.multiparts(files), st.sampled_from(kinds), st.sampled_from(TAKERS))
    def ask(body: bytes, kind: bytes, path: str) -> None:
        no_fault(target.ask(f"POST {path}".encode(), b"Content-Type: " + kind, body=body))

    without_leak(target, ask)
    spool = target.server.data / "spool"
    eventually("the spool is empty", lambda: not any(path.is_file() for path in spool.rglob("*")))


JSON_RESOURCES = (
    b"POST /api/v1/studies",
    b"PATCH /api/v1/studies/1.2.3",
    b"DELETE /api/v1/studies/1.2.3",
    b"DELETE /api/v1/images/1.2.3",
    b"POST /api/v1/auth/login",
    b"POST /api/v1/auth/password",
    b"POST /dicom-web/studies",
)


def test_json_bodies(target: Target) -> None:
    @BOUNDED
    @given(st.sampled_from(JSON_RESOURCES), fuzz.JSON_BODIES)
    def ask(line: bytes, body: bytes) -> None:
        kind = b"application/dicom+json" if b"dicom-web" in line else b"application/json"
        no_fault(target.ask(line, b"Content-Type: " + kind, body=body))

    without_leak(target, ask)


def test_bare_bytes(target: Target) -> None:
    @BOUNDED
    @given(fuzz.BARE)
    def ask(pieces: list[bytes]) -> None:
        no_fault(target.status(b"".join(pieces), leave=True))

    without_leak(target, ask)


def test_listeners_that_leave(target: Target) -> None:
    """The one answer that has no end is let go of when nobody hears it."""
    head = (
        f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {target.token}\r\n"
        "Last-Event-ID: {}\r\n\r\n"
    )

    def listen() -> None:
        for last in ("0", "-1", "x", "99999999999999999999", "%00", ""):
            address = ("127.0.0.1", target.server.http_port)
            with socket.create_connection(address, timeout=PATIENCE) as line:
                line.sendall(head.format(last).encode())
                no_fault(int(line.recv(4096).split(b" ", 2)[1]))

    without_leak(target, listen)
