"""The schema's history. Two nodes may upgrade one database at once: the second waits, then finds it done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from pacs.errors import Conflict, NotFound
from storage.database import Database

_UPGRADING = 0x70616373  # "pacs": the number of an advisory lock in PostgreSQL


def upgrade(url: str, revision: str = "head") -> None:
    """`Conflict` when a newer version of this program made the schema; `NotFound`: no such revision."""
    with _transaction(url) as connection, _asked_for(revision):
        command.upgrade(_config(connection), revision)


def downgrade(url: str, revision: str) -> None:
    """Refuses what `upgrade` refuses."""
    with _transaction(url) as connection, _asked_for(revision):
        command.downgrade(_config(connection), revision)


def current(url: str) -> str | None:
    """The revision of a database; None when it is empty."""
    with _opened(url) as database, database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest() -> str:
    revision = ScriptDirectory.from_config(_config(None)).get_current_head()
    assert revision is not None
    return revision


def knows(revision: str | None) -> bool:
    """Whether it is in this version's history, as None, an empty database, is."""
    history = ScriptDirectory.from_config(_config(None)).walk_revisions()
    return revision is None or revision in {each.revision for each in history}


@contextmanager
def _asked_for(revision: str) -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        raise NotFound(f"there is no way to {revision}; `pacs db current` names the newest") from error


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = Database(url, patience=None)  # an index over millions takes its time
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _transaction(url: str) -> Iterator[Connection]:
    with _opened(url) as database, database.write() as connection:
        if database.dialect == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADING})")
        at = MigrationContext.configure(connection).get_current_revision()
        if not knows(at):
            raise Conflict(f"the database is at schema {at}, which a newer version made: install that one")
        yield connection


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
