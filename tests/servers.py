"""Servers that the tests start for themselves, with nothing left behind."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


@contextmanager
def postgresql(connections: int = 100) -> Iterator[str]:
    """A cluster of its own on a Unix socket; yields the URL of its maintenance database."""
    programs = _postgresql_bin()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="pacs-pg-"))  # short: a socket's path has 107 bytes at most
    prefix = _unprivileged()
    if prefix:
        shutil.chown(folder, "postgres", "postgres")

    def run(program: str, *arguments: str) -> None:
        command = [*prefix, str(programs / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=120, cwd=folder)

    options = (
        f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off "
        f"-c full_page_writes=off -c max_connections={connections} -c shared_buffers=64MB"
    )
    data = str(folder / "data")
    try:
        run("initdb", "-D", data, "-U", "pacs", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        run("pg_ctl", "start", "-w", "-D", data, "-l", str(folder / "log"), "-o", options)
        try:
            yield f"postgresql+psycopg://pacs@/postgres?host={folder}"
        finally:
            run("pg_ctl", "stop", "-w", "-D", data, "-m", "immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


S3_BUCKET = "pacs-tests"


@contextmanager
def object_store() -> Iterator[str]:
    """An S3-compatible store in memory, with the bucket `S3_BUCKET`; yields its endpoint."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{S3_BUCKET}", method="PUT")).close()
        yield endpoint
    finally:
        server.stop()
