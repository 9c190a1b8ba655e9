"""Ports are a server's as long as it lives, and nobody's afterwards, however it ended."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from config.serving import ports_held, record_ports


def test_ports_are_held_by_running_servers(tmp_path: Path) -> None:
    assert ports_held(tmp_path) == set()
    program = f"{record_ports.__module__}.record_ports(pathlib.Path({str(tmp_path)!r}), [1, 2]); input()"
    command = [sys.executable, "-c", f"import pathlib, {record_ports.__module__}; {program}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        while not ports_held(tmp_path):
            assert other.poll() is None
            time.sleep(0.01)
        assert ports_held(tmp_path) == {1, 2}
        other.kill()
    assert ports_held(tmp_path) == set()
    folder = record_ports(tmp_path, [3])
    assert folder is not None and list(folder.parent.iterdir()) == [folder]
    assert ports_held(tmp_path) == {3}


def test_where_nothing_can_be_written_it_serves_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert record_ports(tmp_path / "file", [1]) is None
