"""`pacs serve`, forked from a process that has imported what it needs: ready in a third of the time.

Else it differs from a server that is typed only in how long it waits for others (`tests.waiting`): settings,
output, signals and exit code are its own.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(["tests.conformance.imported"])


class Forked:
    """What `Server` uses of `subprocess.Popen`. It does not outlive the tests."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._process = _forking.Process(target=_serve, args=(dict(environment), str(log)), daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("pacs serve", timeout or 0)
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()


def _serve(environment: dict[str, str], log: str) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for ours, number in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(ours, number)
    for ours in (nothing, output):
        os.close(ours)
    from config.cli import main

    main(["serve"], prog_name="pacs")
