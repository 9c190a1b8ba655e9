"""Started servers: an empty folder of its own, or a new PostgreSQL database and a bucket's prefix."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from httpx._config import DEFAULT_TIMEOUT_CONFIG
from sqlalchemy import make_url

from config.cli import health
from tests.conformance.browser import browser
from tests.conformance.server import PATIENCE, Server
from tests.conftest import migrated, on_server
from tests.servers import S3_BUCKET

_numbers = itertools.count(1)

for _phase in ("connect", "read", "write", "pool"):  # 5 seconds are little on a busy machine
    setattr(DEFAULT_TIMEOUT_CONFIG, _phase, PATIENCE)
health.PATIENCE = PATIENCE


def _network_settings(database_url: str, endpoint: str) -> dict[str, str]:
    return {
        "PACS_DATABASE_URL": database_url,
        "PACS_BLOBS_URL": f"s3://{S3_BUCKET}/{secrets.token_hex(8)}",
        "PACS_S3_ENDPOINT": endpoint,
        "PACS_S3_ACCESS_KEY": "tests",
        "PACS_S3_SECRET_KEY": "tests-only-credential",
    }


@pytest.fixture
def network_settings(postgresql_server: str, s3_endpoint: str) -> dict[str, str]:
    """A database without any table and an empty prefix that several nodes can share."""
    name = f"served_{next(_numbers)}"
    on_server(postgresql_server, f"CREATE DATABASE {name}")
    url = make_url(postgresql_server).set(database=name).render_as_string(hide_password=False)
    return _network_settings(url, s3_endpoint)


def _settings(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "embedded":
        return {}
    postgresql, endpoint = (request.getfixturevalue(name) for name in ("postgresql_template", "s3_endpoint"))
    return _network_settings(migrated(postgresql, f"served_{next(_numbers)}"), endpoint)


def _started(request: pytest.FixtureRequest, folder: Path, as_typed: bool = False) -> Server:
    server = Server(folder / "data", _settings(request), as_typed)
    server.start()
    return server


@pytest.fixture(scope="module", params=["embedded", "network"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that the tests of a module share, on each kind of storage.

    The module that is about starting says `AS_TYPED`.
    """
    as_typed = getattr(request.module, "AS_TYPED", False)
    started = _started(request, tmp_path_factory.mktemp("server"), as_typed)
    yield started
    started.stop()


@pytest.fixture(params=["embedded", "network"])
def fresh_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server of this test alone, on each kind of storage."""
    started = _started(request, tmp_path)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def open_archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks nobody to sign in, for a module that fills and reads it."""
    started = Server(tmp_path_factory.mktemp("open") / "data", {"PACS_OPEN": "1"})
    started.start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as started:
        yield started
