"""What the detailed health answer examines: each part fails alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from config.address import Address
from config.compose import Installation, compose, prepare
from config.health_checks import others, vital
from config.settings import Settings
from dimse.ended import AssociationEnded
from dimse.settings import DimseSettings
from pacs.errors import Unavailable
from tests.conformance.server import free_port
from tests.dimse.world import running
from tests.storage.jobs.test_queue import put


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
    tmp_path: Path, called: str, most: int, failed: dict[str, str]
) -> None:
    with running(DimseSettings(max_associations=most), called=called) as world:
        settings = Settings(data_dir=tmp_path / "data", dimse=Address(world.host, world.port))
        prepare(settings)
        with compose(settings) as installation:
            assert failing(installation) == failed
