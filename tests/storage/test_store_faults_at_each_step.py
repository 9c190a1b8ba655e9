"""An object store that fails at any single request of storing: refused, nothing visible, well afterwards."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import delete, func, select, update

from pacs.errors import DatabaseUnavailable, Unavailable
from pacs.model import Outcome
from storage.blobs import S3Access, S3Blobs, SpoolLimits, s3
from storage.commits import CommitLimits
from storage.database import Database
from storage.tables import blobs, versions
from tests.storage.blobs.worlds import blob_of
from tests.storage.received import MODALITY
from tests.storage.shelf import Shelf, shelf_of
from tests.storage.test_faults_at_each_step import as_file, left_in

_FORWARDED = ("content-length", "etag", "last-modified", "content-range", "x-amz-checksum-sha256")


class Proxy(ThreadingHTTPServer):
    """Passes requests on, and fails the one whose turn it is; a lost answer is one to a request passed on.
    One that hangs is answered when `thawed`."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        self.behind = urlsplit(behind).netloc
        self.requests: list[str] = []
        self.failing = -1
        self.hung, self.thawed = threading.Event(), threading.Event()
        self.how = ""
        super().__init__(("127.0.0.1", 0), _Passing)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def fail(self, number: int, how: str) -> None:
        self.requests.clear()
        self.failing, self.how = number, how


class _Passing(BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        server = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        number = len(server.requests)
        server.requests.append(self.command)
        how = server.how if number == server.failing else ""
        if how.isdecimal():
            self._answer(int(how), {}, b"<Error/>")
            return
        if how == "hang":
            server.hung.set()
            server.thawed.wait(60)
        elif how == "timeout":
            time.sleep(3)
        elif how != "reset":
            behind = HTTPConnection(server.behind)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            behind.request(self.command, self.path, body, {**headers, "Host": self.headers["Host"]})
            answer = behind.getresponse()
            content = answer.read()
            if how != "lost":
                self._answer(answer.status, dict(answer.getheaders()), content)
                return
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    do_GET = do_HEAD = do_POST = do_DELETE = do_PUT

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() in _FORWARDED and (name.lower() != "content-length" or self.command == "HEAD"):
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def proxy(s3_endpoint: str) -> Iterator[Proxy]:
    made = Proxy(s3_endpoint)
    yield made
    made.shutdown()
    made.server_close()


@dataclass(frozen=True, slots=True)
class World:
    """`bounded` waits as briefly as the archive for a question that holds up others, `hasty` gives up on each
    request after a second. A busy machine may need more, so they are for what hangs alone."""

    patient: Shelf
    bounded: Shelf
    hasty: Shelf
    proxy: Proxy

    def kept(self) -> int:
        with self.patient.database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(versions)).scalar_one())


def store(shelf: Shelf, content: bytes) -> Outcome:
    return shelf.archive.store_file(MODALITY, [content]).outcome


@pytest.fixture
def world(
    sqlite_url: str, s3_url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[World]:
    """One whose requests to the store are not repeated."""
    monkeypatch.setattr(s3, "_RETRY", {"max_retries": 0})
    monkeypatch.setattr(s3, "_SIZE_RETRY", {"max_retries": 0})
    monkeypatch.setattr(s3, "PART", 5 << 20)  # the least that a store takes
    access = S3Access(f"http://127.0.0.1:{proxy.server_port}", "us-east-1", "tests", "tests-secret")
    with ExitStack() as closing:
        database = Database(sqlite_url)
        closing.callback(database.close)

        def shelf(name: str) -> Shelf:
            blobs = S3Blobs(s3_url, tmp_path / name, access, SpoolLimits(reserve=0))
            closing.callback(blobs.close)
            return closing.enter_context(shelf_of(database, blobs, CommitLimits(patience=0)))

        patient = shelf("patient")
        monkeypatch.setattr(s3, "_SIZE_CLIENT", {**s3._CLIENT, "timeout": "5s"})
        bounded = shelf("bounded")
        monkeypatch.setattr(s3, "_CLIENT", {"timeout": "1s", "connect_timeout": "5s", "allow_http": True})
        yield World(patient, bounded, shelf("hasty"), proxy)


@pytest.mark.parametrize(
    ("side", "how"),
    [
        *((16, how) for how in ("500", "403", "timeout", "reset", "lost")),
        *((1700, how) for how in ("500", "lost")),  # in two parts
    ],
)
def test_each_request(world: World, side: int, how: str) -> None:
    shelf = world.hasty if how == "timeout" else world.patient
    assert store(world.patient, as_file(side)) is Outcome.CREATED
    requests = list(world.proxy.requests)
    assert requests == (["PUT", "HEAD"] if side == 16 else ["HEAD", "POST", "PUT", "PUT", "POST", "HEAD"])
    for number in range(len(requests)):
        content, before = as_file(side), world.kept()
        world.proxy.fail(number, how)
        with pytest.raises(Unavailable):
            store(shelf, content)
        world.proxy.fail(-1, "")
        assert world.kept() == before
        assert left_in(shelf.blobs.spool_root) == []
        assert store(world.patient, content) is Outcome.CREATED
        assert world.patient.blobs.holds(blob_of(content))


def others_write(world: World, sqlite_url: str, holding: Callable[[], object]) -> None:
    """While the store hangs on a request of what holds SQLite's only writer."""
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(holding)
        assert world.proxy.hung.wait(30)
        other = Database(sqlite_url)
        with suppress(DatabaseUnavailable), other.write():  # where the machine stood still for both bounds
            pass
        with other.write():
            pass
        other.close()
        world.proxy.thawed.set()
        assert isinstance(held.exception(), Unavailable)
    world.proxy.fail(-1, "")


def test_a_question_that_hangs_does_not_keep_others_from_the_database(world: World, sqlite_url: str) -> None:
    content = as_file(16)
    world.proxy.fail(1, "hang")
    others_write(world, sqlite_url, lambda: store(world.bounded, content))
    assert store(world.patient, content) is Outcome.CREATED


def test_a_removal_that_hangs_does_not_keep_others_from_the_database(world: World, sqlite_url: str) -> None:
    content = as_file(16)
    assert store(world.patient, content) is Outcome.CREATED
    with world.patient.database.write() as connection:
        connection.execute(delete(versions))
        connection.execute(
            update(blobs).values(state="deleting", refcount=0, unreferenced_since=datetime.now(UTC))
        )
    world.proxy.fail(0, "hang")
    others_write(world, sqlite_url, world.bounded.sweep().delete_claimed)
    assert world.patient.sweep().delete_claimed() == (1, False)
    assert not world.patient.blobs.holds(blob_of(content))
