"""`pacs doctor` gives the advice that fits the fault."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from config.address import Address
from config.cli import doctor
from config.settings import Settings
from config.sockets import CannotListen, listen
from pacs.errors import StorageFull
from storage import migrations

NOWHERE = Address("203.0.113.9", 9999)
"""Of a network for documentation (RFC 5737), so of no machine."""


def test_an_address_of_another_machine_is_not_called_a_port_in_use(tmp_path: Path) -> None:
    (fault, *_) = doctor._ports(Settings(data_dir=tmp_path, http=NOWHERE))
    assert not fault.good
    assert "203.0.113.9 is not an address of this machine" in fault.about
    assert "another program" not in fault.about + fault.advice
    assert "PACS_HTTP" in fault.advice


def test_a_port_of_another_program_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        where = Address("127.0.0.1", other.getsockname()[1])
        (fault, *_) = doctor._ports(Settings(data_dir=tmp_path, http=where))
        with pytest.raises(CannotListen, match=f"{where} is in use: stop what listens there"):
            listen(where, "PACS_HTTP")
    assert "held by another program" in fault.about
    assert "stop what listens there" in fault.advice


def test_a_database_without_space_needs_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pacs.db").touch()

    def full(url: str) -> str:
        raise StorageFull

    monkeypatch.setattr(migrations, "current", full)
    (fault,) = doctor._database(Settings(data_dir=tmp_path))
    assert "free some space" in fault.advice


def test_a_database_that_may_not_be_opened_is_a_fault_like_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pacs.db").touch()

    def refused(url: str) -> str:
        raise PermissionError(13, "Permission denied", str(tmp_path / "pacs.db"))

    monkeypatch.setattr(migrations, "current", refused)
    (fault,) = doctor._database(Settings(data_dir=tmp_path))
    assert f"Permission denied: {tmp_path / 'pacs.db'}" in fault.about
    assert "let this user" in fault.advice
