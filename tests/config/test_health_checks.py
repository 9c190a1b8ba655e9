"""What the detailed health answer examines: each part fails alone."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from config import health_checks
from config.address import Address
from config.compose import Installation, compose, prepare
from config.health_checks import others, vital
from config.settings import Settings
from dimse.ended import AssociationEnded
from dimse.settings import DimseSettings
from pacs.errors import StorageFull, Unavailable
from tests.conformance.server import free_port
from tests.conformance.small_disk import filled, small_disk
from tests.dimse.world import running
from tests.storage.jobs.test_queue import put
from tests.waiting import PATIENCE


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """DICOM listens nowhere."""
    return Settings(data_dir=tmp_path / "data", dimse=Address("127.0.0.1", free_port()))


@pytest.fixture
def installation(settings: Settings) -> Iterator[Installation]:
    prepare(settings)
    with compose(settings) as composed:
        yield composed


def failing(installation: Installation) -> dict[str, str]:
    failed = {}
    for name, check in (vital(installation) | others(installation)).items():
        try:
            check()
        except (AssociationEnded, OSError, Unavailable) as error:
            failed[name] = type(error).__name__
    return failed


def test_each_part_fails_alone(installation: Installation) -> None:
    assert failing(installation) == {"dimse": "ConnectionLost"}
    shutil.rmtree(installation.cache.folder)
    assert failing(installation) == {"cache": "PermissionError", "dimse": "ConnectionLost"}
    put(installation.database, delay=-timedelta(minutes=2))
    assert failing(installation).get("workers") == "NobodyWorks"


@pytest.mark.parametrize(
    ("called", "most", "failed"), [("PACS", 9, {}), ("OTHER", 9, {}), ("PACS", 0, {"dimse": "Unavailable"})]
)
def test_a_listener_that_refuses_for_good_does_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, called: str, most: int, failed: dict[str, str]
) -> None:
    monkeypatch.setattr(health_checks, "PATIENCE", PATIENCE)
    with running(DimseSettings(max_associations=most), called=called) as world:
        settings = Settings(data_dir=tmp_path / "data", dimse=Address(world.host, world.port))
        prepare(settings)
        with compose(settings) as installation:
            assert failing(installation) == failed


@pytest.mark.parametrize("elsewhere", [False, True], ids=["data folder", "elsewhere"])
def test_the_reserve_is_also_kept_where_the_database_lies(tmp_path: Path, elsewhere: bool) -> None:
    """Its disk may be another than that of the objects: a full one refuses every sender."""
    with small_disk(tmp_path / "disk") as disk:
        database = {"database_url": f"sqlite:///{disk}/pacs.db"} if elsewhere else {}
        settings = Settings.model_validate(
            {
                "data_dir": (tmp_path if elsewhere else disk) / "data",
                "blobs_url": f"file://{tmp_path}/blobs",
                "free_space_reserve": 8 << 20,
                **database,
            }
        )
        prepare(settings)
        with compose(settings) as installation:
            check = vital(installation)["storage"]
            check()
            time.sleep(1.1)  # free space is looked at once a second
            with filled(disk, leaving=4), pytest.raises(StorageFull):
                check()
            time.sleep(1.1)
            check()
