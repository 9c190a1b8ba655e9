"""The results as a table by clause: with rich where it is installed, else in plain text."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

from tests.conformance.kit.check import Outcome, Result

_COLOURS = {Outcome.PASSED: "green", Outcome.FAILED: "bold red", Outcome.NOT_SUPPORTED: "yellow"}
_HEADINGS = ("PS3.18", "requirement", "result", "seen")


def print_table(results: Sequence[Result]) -> None:
    rows = [(r.check.clause, r.check.requirement, r.outcome, _line(r.seen)) for r in results]
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        _print_plain([(clause, requirement, o.value, seen) for clause, requirement, o, seen in rows])
    else:
        table = Table(*_HEADINGS)
        for clause, requirement, outcome, seen in rows:
            table.add_row(clause, Text(requirement), Text(outcome.value, _COLOURS[outcome]), Text(seen))
        Console(width=None if sys.stdout.isatty() else 160).print(table)
    counts = Counter(result.outcome for result in results)
    print(", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome))


def _print_plain(rows: Sequence[tuple[str, str, str, str]]) -> None:
    widths = [max(map(len, column)) for column in zip(_HEADINGS, *rows, strict=True)]
    for row in (_HEADINGS, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _line(text: str) -> str:
    return " ".join(text.split())[:160]
