"""Servers that the tests start for themselves, with nothing left behind."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest


def _postgresql_bin() -> Path | None:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3]))
    if installed:
        return installed[-1].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _unprivileged() -> list[str]:
    """PostgreSQL refuses to run as root: who then runs it, as a prefix of its commands."""
    if os.getuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


_MEMORY, _ROOM = Path("/dev/shm"), 8 << 30


def quick_place() -> str | None:
    """In memory, where there is room: there the files of a database and the folders of a store are made in a
    fifth of the time, and nothing waits for the disk.
    """
    with suppress(OSError):
        if shutil.disk_usage(_MEMORY).free >= _ROOM and os.access(_MEMORY, os.W_OK):
            return str(_MEMORY)
    return None


_WAITING = ("-w", "-t", "300")  # seconds: a busy machine is no fault


class Cluster:
    """A PostgreSQL of its own on a Unix socket, in a folder of its own."""

    def __init__(self, programs: Path, connections: int = 100) -> None:
        # A socket's path has 107 bytes at most.
        self.folder = Path(tempfile.mkdtemp(prefix="pacs-pg-", dir=quick_place()))
        self.url = f"postgresql+psycopg://pacs@/postgres?host={self.folder}"
        self._programs, self._prefix = programs, _unprivileged()
        self._options = (
            f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off "
            f"-c full_page_writes=off -c max_connections={connections} -c shared_buffers=64MB"
        )
        self._data = str(self.folder / "data")
        if self._prefix:
            shutil.chown(self.folder, "postgres", "postgres")
        options = ("-U", "pacs", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        self._run("initdb", "-D", self._data, *options)

    def start(self) -> None:
        log = str(self.folder / "log")
        self._run("pg_ctl", "start", *_WAITING, "-D", self._data, "-l", log, "-o", self._options)

    def stop(self) -> None:
        """Whoever is connected is cut off."""
        self._run("pg_ctl", "stop", *_WAITING, "-D", self._data, "-m", "fast")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Its connections stay open, and new ones come to be; nothing answers."""
        parent = psutil.Process(int((Path(self._data) / "postmaster.pid").read_text().split()[0]))
        parent.suspend()  # first: it begins no more of them
        stopped = [parent]
        try:
            for child in parent.children():
                with suppress(psutil.NoSuchProcess):
                    child.suspend()
                    stopped.append(child)
            yield
        finally:
            for process in reversed(stopped):
                process.resume()

    def close(self) -> None:
        try:
            self._run("pg_ctl", "stop", *_WAITING, "-D", self._data, "-m", "immediate")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._prefix, str(self._programs / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=600, cwd=self.folder)


@contextmanager
def cluster(connections: int = 100) -> Iterator[Cluster]:
    """A running cluster, gone afterwards."""
    programs = _postgresql_bin()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    made = Cluster(programs, connections)
    try:
        made.start()
        yield made
    finally:
        made.close()


@contextmanager
def postgresql(connections: int = 100) -> Iterator[str]:
    """A running cluster; yields the URL of its maintenance database."""
    with cluster(connections) as made:
        yield made.url


S3_BUCKET = "pacs-tests"


class ObjectStore:
    """An S3-compatible store in memory, with the bucket `S3_BUCKET`; all of a process hold the same.

    Of moto only what is for S3: to find out which service is meant takes it as long as to serve.
    """

    def __init__(self, port: int = 0) -> None:
        from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = make_server(
            "127.0.0.1", port, create_backend_app("s3"), threaded=True, request_handler=MotoRequestHandler
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.port = self._server.server_port
        self.endpoint = f"http://127.0.0.1:{self.port}"
        urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/{S3_BUCKET}", method="PUT")).close()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()


@contextmanager
def object_store() -> Iterator[str]:
    """A running one; yields its endpoint."""
    made = ObjectStore()
    try:
        yield made.endpoint
    finally:
        made.stop()
