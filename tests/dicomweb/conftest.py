from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database
from tests.dicomweb.retrieving import World, retrieving


@pytest.fixture
def world(sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    database = Database(sqlite_url)
    with retrieving(database, tmp_path / "blobs") as opened:
        yield opened
    database.close()
