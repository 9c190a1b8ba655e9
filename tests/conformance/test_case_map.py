"""The map of regression cases in README.md leads to tests that exist, and misses no case."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
ROWS = re.findall(r"^\| (A\d+) \|[^|]*\| (.*) \|$", (HERE / "README.md").read_text("utf-8"), re.MULTILINE)


def test_every_case_is_in_it() -> None:
    assert [case for case, _ in ROWS] == [f"A{number}" for number in (*range(1, 30), 33)]


def test_it_leads_to_tests() -> None:
    for case, cell in ROWS:
        folder, last = Path(), ""
        for path, names in re.findall(r"`([\w/.]+)`([^`;]*)", cell):
            folder = Path(path).parent if "/" in path else folder
            file = HERE.parent / folder / Path(path).name
            assert file.is_file(), f"{case}: {path}"
            last = file.read_text("utf-8")
            for name in re.findall(r"[a-z0-9]+(?:_[a-z0-9]+)+", names):
                assert f"def test_{name}" in last, f"{case}: {name} in {file.name}"
