"""Waiting for what comes to pass elsewhere: in another thread, process or program."""

from __future__ import annotations

import time
from collections.abc import Callable

from storage import engines, shared_figures
from storage.blobs import s3

PATIENCE = 120.0
"""Seconds: far more than anything takes, as a busy machine is no fault."""


def wait_longer() -> None:
    """For connections to PostgreSQL, answers of the object store, and figures that others are counting, which
    get some seconds otherwise."""
    engines._POSTGRESQL["connect_timeout"] = int(PATIENCE)
    shared_figures.LOCK_TIMEOUT = PATIENCE
    for client in (s3._CLIENT, s3._SIZE_CLIENT):
        client |= dict.fromkeys(("timeout", "connect_timeout"), f"{PATIENCE:g}s")


def eventually(what: str, holds: Callable[[], object], every: float = 0.01) -> None:
    """Returns once `holds()` is true; `what` it is, the failure tells. `every`: seconds between two looks."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"never came to pass: {what}"
        time.sleep(every)
