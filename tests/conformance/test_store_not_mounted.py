"""A disk for the objects that is not mounted, at the start or later: nothing is stored below it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from tests.conformance.senders import Modality, small_ct
from tests.conformance.server import Server
from tests.conformance.test_durability import wait_for
from tests.conformance.test_rest import as_file
from tests.conformance.test_stow import STUDIES, kept, store
from tests.storage.upkeep.test_recognition import Disk
from tests.waiting import eventually


@dataclass
class World:
    server: Server
    disk: Disk
    modality: Modality
    study: str

    @property
    def path(self) -> str:
        return f"{STUDIES}/{self.study}"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """One image is stored."""
    disk = Disk(tmp_path / "mounted")
    server = Server(tmp_path / "data", {"PACS_BLOBS_URL": f"file://{disk.folder}"})
    server.start()
    study = generate_uid()
    modality = Modality(server.dimse_port, study)
    modality.send(1)
    prepared = "SELECT count(*) FROM prepared_metadata"
    eventually("its metadata is prepared", lambda: server.sql(prepared) == "(1,)")
    yield World(server, disk, modality, study)
    server.stop()


def assert_refused(world: World) -> None:
    """What needs an object is refused for now, and said to be so; the rest is answered."""
    server, before = world.server, len(world.modality.acknowledged)
    world.modality.refused.clear()
    world.modality.send(1)
    assert world.modality.refused == [0xA700]
    with server.web() as web:
        assert store(web, as_file(small_ct(generate_uid(), generate_uid()))).status_code == 503
        assert web.get(world.path).status_code == 503
        assert web.get(f"{world.path}/metadata").status_code == 200
    assert kept(server, world.study) == before
    assert server.live() and not server.ready()
    assert "`pacs reindex --lost`" in server.quick_command("doctor", code=1)
    for command in ("verify", "reindex"):
        assert "mounted?" in server.quick_command(command, code=1)
    assert world.disk.files() == []


def assert_well(world: World) -> None:
    wait_for(world.server.ready)
    world.modality.send(1)
    assert kept(world.server, world.study) == len(world.modality.acknowledged)
    with world.server.web() as web:
        assert web.get(world.path).status_code == 200
    world.server.quick_command("verify")


def test_a_disk_that_is_missing_at_the_start(world: World) -> None:
    world.server.stop()
    world.disk.unmount()
    world.server.start(ready=False)
    assert "objects can be neither stored nor fetched now" in world.server.output()
    assert_refused(world)
    world.disk.mount()
    assert_well(world)


def test_a_disk_that_vanishes_for_a_while(world: World) -> None:
    world.disk.unmount()
    assert_refused(world)
    world.disk.mount()
    assert_well(world)


def test_objects_that_are_lost_for_good(world: World) -> None:
    """What is sent again is whole again."""
    world.server.stop()
    world.disk.unmount()
    world.server.quick_command("reindex", "--lost")
    world.server.start()
    world.server.quick_command("doctor")
    with world.server.web() as web:
        assert web.get(world.path).status_code == 500
    world.modality.send(1)
    assert len(world.modality.acknowledged) == 2
