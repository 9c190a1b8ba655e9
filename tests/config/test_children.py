"""What is done, and said, before the children of a node start."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from config.children import Node, fork_server
from config.settings import Settings
from config.sharing import ConnectionCounts
from config.startup import prepare_node
from dimse.server import DimseServer
from pacs.errors import DatabaseDamaged
from storage.database import Database
from tests.conformance.server import free_port
from tests.storage.received import received
from tests.storage.world import opened, store


@pytest.fixture
def without_objects(tmp_path: Path) -> Settings:
    """Its object store does not answer."""
    return Settings.model_validate(
        {
            "data_dir": tmp_path / "data",
            "blobs_url": "s3://bucket/prefix",
            "s3_endpoint": f"http://127.0.0.1:{free_port()}",
            "s3_access_key": "tests",
            "s3_secret_key": "never-said",
        }
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
    prepare_node(Settings.model_validate({"data_dir": tmp_path / "data"}))
    assert "warning" not in said()


def test_a_listener_that_fails_ends_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lived on, and nobody accepted: the parent starts only those again that have ended."""
    settings = Settings.model_validate({"data_dir": tmp_path / "data"})
    prepare_node(settings)
    node = Node(settings, fork_server(settings))
    with monkeypatch.context() as patch:
        patch.setattr(DimseServer, "serve", lambda server: None)
        process = threading.Thread(
            target=node.dimse, args=([], ConnectionCounts(1).slot(0), threading.Event())
        )
        process.daemon = True
        process.start()
        process.join(60)
    node.fork_server.close()
    assert not process.is_alive()


def test_a_damaged_database_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.startup.time.sleep", pytest.fail)
    (tmp_path / "pacs.db").write_bytes(b"no database" * 1000)
    with pytest.raises(DatabaseDamaged, match="restore a backup"):
        prepare_node(Settings.model_validate({"data_dir": tmp_path}))
