"""What is done, and said, before the children of a node start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from config.children import prepare_node
from config.settings import Settings
from storage.database import Database
from tests.conformance.server import free_port
from tests.storage.received import received
from tests.storage.world import opened, store


@pytest.fixture
def without_objects(tmp_path: Path) -> Settings:
    """Its object store does not answer."""
    return Settings(
        data_dir=tmp_path / "data",
        blobs_url="s3://bucket/prefix",
        s3_endpoint=f"http://127.0.0.1:{free_port()}",
        s3_access_key=SecretStr("tests"),
        s3_secret_key=SecretStr("never-said"),
    )


@pytest.mark.parametrize("with_objects", [False, True], ids=["empty", "filled"])
def test_objects_that_cannot_be_reached_are_told_once_and_hinder_no_start(
    without_objects: Settings, said: Callable[[], str], with_objects: bool
) -> None:
    prepare_node(without_objects)
    said()
    if with_objects:
        database = Database(without_objects.resolved_database_url)
        with opened(database) as entries:
            store(entries, received())
        with database.write() as connection:  # a removal that was interrupted, too
            removal = "UPDATE blobs SET state = 'deleting', unreferenced_since = 0, refcount = 0"
            connection.execute(text(removal))
        database.close()
    prepare_node(without_objects)
    told = [line for line in said().splitlines() if "warning" in line]
    assert len(told) == 1
    assert "s3://bucket/prefix" in told[0] and "pacs doctor" in told[0]
    assert "never-said" not in told[0]


def test_objects_that_can_be_reached_need_no_words(tmp_path: Path, said: Callable[[], str]) -> None:
    prepare_node(Settings(data_dir=tmp_path / "data"))
    assert "warning" not in said()
