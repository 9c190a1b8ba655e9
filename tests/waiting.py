"""Waiting for what comes to pass elsewhere: in another thread, process or program."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 120.0
"""Seconds: far more than anything takes, as a busy machine is no fault."""


def eventually(what: str, holds: Callable[[], object], every: float = 0.01) -> None:
    """Returns once `holds()` is true; `what` it is, the failure tells. `every`: seconds between two looks."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"never came to pass: {what}"
        time.sleep(every)
