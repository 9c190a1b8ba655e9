"""Fixtures that everybody shares: an empty, migrated database of each kind."""

from __future__ import annotations

import gc
import itertools
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
import structlog
from hypothesis import HealthCheck, settings
from sqlalchemy import make_url
from structlog.dev import ConsoleRenderer, plain_traceback

from storage.blobs import BlobStore, S3Access, SpoolLimits, open_blobs
from storage.database import Database
from storage.migrations import upgrade
from tests import reactor
from tests.servers import S3_BUCKET, object_store, postgresql, quick_place
from tests.waiting import wait_longer

pytest.register_assert_rewrite("tests.conformance.browser", "tests.conformance.server")
# No deadline: a busy machine is no fault.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", settings.get_profile("explore"), derandomize=True)
settings.load_profile("suite")  # `--hypothesis-profile explore` tries other examples each time
reactor.mend()
wait_longer()
for _processor in structlog.get_config()["processors"]:
    if isinstance(_processor, ConsoleRenderer):  # rich would draw each traceback for a quarter of a second
        _processor.exception_formatter = plain_traceback

_configure = structlog.configure


def _without_caching(**options: Any) -> None:
    """Commands that run in this process set up logging; loggers that they cached could not be captured."""
    _configure(**{**options, "cache_logger_on_first_use": False})


structlog.configure = cast("Any", _without_caching)

if _memory := quick_place():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", _memory)  # where `tmp_path` is


def pytest_collectstart() -> None:
    gc.disable()  # nearly all that is made now stays


def pytest_collection_finish() -> None:
    """What was collected stays, too: not to look through it again saves a twentieth of the computing."""
    gc.enable()
    gc.collect()
    gc.freeze()


_TEMPLATE = "migrated"
_numbers = itertools.count(1)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """What was logged since it was asked last: printed, or handed to `logging` where an earlier test has set
    that up."""

    def all_of_it() -> str:
        printed, handed = capsys.readouterr(), caplog.text
        caplog.clear()
        return printed.out + printed.err + handed

    return all_of_it


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """URL of the maintenance database of a cluster that lives as long as the session."""
    with postgresql() as url:
        yield url


@cache
def _administrator(server: str) -> psycopg.Connection[Any]:
    """One connection for all databases: another for each would take as long as to make it."""
    folder = str(make_url(server).query["host"])
    return psycopg.connect(host=folder, user="pacs", dbname="postgres", autocommit=True)


def on_server(server: str, statement: str) -> None:
    """Run one statement outside any transaction."""
    _administrator(server).execute(statement.encode())


def migrated(server: str, name: str) -> str:
    """A new database on the server whose template is there; returns its URL."""
    way = " STRATEGY FILE_COPY" if _administrator(server).info.server_version >= 150_000 else ""
    on_server(
        server, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}{way}"
    )  # the other way takes twice as long
    return _named(server, name)


def _named(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> str:
    on_server(postgresql_server, f"CREATE DATABASE {_TEMPLATE}")
    upgrade(_named(postgresql_server, _TEMPLATE))
    return postgresql_server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "pacs.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def postgresql_url(postgresql_template: str) -> Iterator[str]:
    """A migrated PostgreSQL database of this test alone."""
    name = f"test_{next(_numbers)}"
    yield migrated(postgresql_template, name)
    on_server(postgresql_template, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated SQLite database of this test alone."""
    path = tmp_path / "pacs.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database of each kind in turn."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A migrated database of each kind in turn, for a module whose tests only read it."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("shared") / "pacs.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        opened = Database(f"sqlite:///{path}")
    else:
        server = request.getfixturevalue("postgresql_template")
        opened = Database(migrated(server, f"shared_{next(_numbers)}"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """An S3-compatible store that lives as long as the session."""
    with object_store() as endpoint:
        yield endpoint


@pytest.fixture
def s3_access(s3_endpoint: str) -> S3Access:
    return S3Access(s3_endpoint, "us-east-1", "tests", "tests-secret")


@pytest.fixture
def s3_url() -> str:
    """A prefix of this test alone, in the bucket of `s3_endpoint`."""
    return f"s3://{S3_BUCKET}/{secrets.token_hex(8)}"


@pytest.fixture(params=["local", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobStore]:
    """An empty store of each kind in turn."""
    url = access = None
    if request.param == "s3":
        url = str(request.getfixturevalue("s3_url"))
        access = request.getfixturevalue("s3_access")
    opened = open_blobs(url, tmp_path, access, SpoolLimits(reserve=0))
    yield opened
    opened.close()
