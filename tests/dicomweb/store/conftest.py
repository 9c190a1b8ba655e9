from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database
from tests.dicomweb.storing import Storing, storing


@pytest.fixture
def world(sqlite_url: str, tmp_path: Path) -> Iterator[Storing]:
    database = Database(sqlite_url)
    with storing(database, tmp_path) as opened:
        yield opened
    database.close()
