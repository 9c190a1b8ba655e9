"""The schema's history. Two nodes may upgrade one database at once: the second waits, then finds it done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from storage.database import Database

_UPGRADING = 0x70616373  # "pacs": the number of an advisory lock in PostgreSQL


def upgrade(url: str, revision: str = "head") -> None:
    with _transaction(url) as connection:
        command.upgrade(_config(connection), revision)


def downgrade(url: str, revision: str) -> None:
    with _transaction(url) as connection:
        command.downgrade(_config(connection), revision)


def current(url: str) -> str | None:
    """The revision of a database; None when it is empty."""
    with _opened(url) as database, database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest() -> str:
    revision = ScriptDirectory.from_config(_config(None)).get_current_head()
    assert revision is not None
    return revision


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = Database(url, silence=None)  # an index over millions takes its time
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _transaction(url: str) -> Iterator[Connection]:
    with _opened(url) as database, database.write() as connection:
        if database.dialect == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADING})")
        yield connection


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
