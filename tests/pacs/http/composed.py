"""The whole application in this process, open to everybody, over an empty data folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.testclient import TestClient

from config.compose import compose, prepare
from config.compose_http import http_app
from config.settings import Settings


@contextmanager
def composed(folder: Path) -> Iterator[TestClient]:
    settings = Settings.model_validate({"data_dir": folder, "open": True, "free_space_reserve": 0})
    prepare(settings)
    with compose(settings) as installation:
        app = http_app(installation, lambda: True)
        yield TestClient(
            app,
            base_url="http://127.0.0.1:8080",
            client=("127.0.0.1", 50000),
            raise_server_exceptions=False,
        )
