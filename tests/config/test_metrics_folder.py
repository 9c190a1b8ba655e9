"""Where the processes of a node count: each node in a folder of its own, in memory if there is one."""

from __future__ import annotations

import os
from pathlib import Path

from config.metrics_folder import metrics_folder


def test_each_node_has_its_own_and_what_the_dead_left_goes(tmp_path: Path) -> None:
    memory, run = tmp_path / "memory", tmp_path / "run"
    memory.mkdir()
    one = metrics_folder(run, memory)
    left = one.parent / "left"
    left.mkdir()
    two = metrics_folder(run, memory)
    assert {one, two} == set(one.parent.iterdir())
    assert one.is_relative_to(memory) and not run.exists()


def test_without_a_folder_in_memory_it_lies_on_the_disk(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert metrics_folder(run, tmp_path / "none").is_relative_to(run)


def test_a_name_that_somebody_took_is_not_followed(tmp_path: Path) -> None:
    memory, run, elsewhere = tmp_path / "memory", tmp_path / "run", tmp_path / "elsewhere"
    memory.mkdir()
    elsewhere.mkdir()
    (memory / f"lightbox-pacs-{os.getuid()}").symlink_to(elsewhere)
    assert metrics_folder(run, memory).is_relative_to(run)
    assert not any(elsewhere.iterdir())
