"""The migrations make the schema that the code believes in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select

from pacs.actor import DEFAULT_ORGANIZATION
from storage import tables
from storage.database import Database
from storage.migrations import current, downgrade, newest, upgrade


def test_models_and_migrated_schema_agree(database: Database) -> None:
    """Tables and indexes of letters exist in one kind of database each: see search.test_trigrams."""
    known = set(tables.metadata.tables)
    options = {
        "compare_server_default": True,
        "include_object": lambda thing, name, kind, *_: (
            name in known if kind == "table" else not name.endswith(("_trigrams", "_pairs"))
        ),
    }
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, tables.metadata) == []


def test_the_default_organisation_exists(database: Database) -> None:
    with database.read() as connection:
        row = connection.execute(select(tables.organizations)).one()
        assert (row.id, row.code) == (DEFAULT_ORGANIZATION, "default")
        assert connection.execute(select(tables.org_heads.c.org_id)).scalars().all() == [row.id]


def test_down_and_up_again(database_url: str) -> None:
    assert current(database_url) == newest()
    downgrade(database_url, "base")
    assert current(database_url) is None
    upgrade(database_url)
    assert current(database_url) == newest()


def test_nodes_may_upgrade_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, [url] * 4))
    assert current(url) == newest()


def test_nodes_may_upgrade_at_once_on_postgresql(postgresql_url: str) -> None:
    downgrade(postgresql_url, "base")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, [postgresql_url] * 4))
    assert current(postgresql_url) == newest()
