"""Memory that was freed is the system's again, whatever was freed before."""

from __future__ import annotations

import subprocess
import sys

import pytest

GROWN_TOGETHER = """
import sys, threading
from array import array
from pathlib import Path
from config.memory import return_large_arrays

if sys.argv[1] == "apart":
    return_large_arrays()

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20

def grow():
    kept = [array("Q") for _ in range(3)]
    for turn in range(60):
        for each in kept:
            each.extend(range(50_000))
    small.append(bytes(100_000))  # lies behind them

small = []
before = resident()
for _ in range(3):
    threads = [threading.Thread(target=grow) for _ in range(5)]
    [each.start() for each in threads]
    [each.join() for each in threads]
print(resident() - before)
"""


def left_behind(how: str) -> int:
    """MiB that are resident after all arrays are gone."""
    command = [sys.executable, "-c", GROWN_TOGETHER, how]
    return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="it is about glibc")
def test_arrays_that_grew_together_leave_nothing_behind() -> None:
    assert left_behind("apart") < 64


if __name__ == "__main__":
    print(left_behind("apart"), left_behind("as is"))
