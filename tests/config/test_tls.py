"""Certificates that cannot be used are named with their setting, before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config import tls
from config.settings import Settings
from config.sources import BadSettings


def given(**settings: Any) -> Settings:
    return Settings.model_validate(settings)


def test_without_a_certificate_there_is_no_tls() -> None:
    assert tls.accepting(given()) is None
    assert tls.calling(given()) is None


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
@pytest.mark.parametrize("setting", ["tls_certificate", "tls_client_ca"])
def test_a_bad_file_is_named(tmp_path: Path, setting: str, content: bytes | None) -> None:
    path = tmp_path / "file.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadSettings) as caught:
        tls.calling(given(**{setting: path}))
    (fault,) = caught.value.faults
    assert f"PACS_{setting.upper()}" in fault
    assert str(path) in fault
