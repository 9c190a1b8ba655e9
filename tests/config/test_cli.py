"""What all commands share."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from config import cli
from config.faults import message
from pacs.errors import DatabaseUnavailable


def test_ctrl_c_ends_a_command_as_a_shell_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(click.Command, "invoke", interrupted)
    result = CliRunner().invoke(cli.main, ["db", "current"])
    assert result.exit_code == 130
    assert "run again" in result.stderr


@pytest.mark.parametrize(
    "error", [DatabaseUnavailable("it is gone"), PermissionError(13, "Permission denied", "data")]
)
def test_a_fault_ends_with_what_to_do_next(error: Exception) -> None:
    assert ". `pacs doctor` says what is wrong and what to do." in message(error)


def test_a_token_lasts_ten_years_at_most() -> None:
    command = ["token", "create", "--email", "robot@hospital.example", "--expires", "3651d"]
    result = CliRunner().invoke(cli.main, command)
    assert result.exit_code == 2
    assert "at most 3650d" in result.stderr
