"""The main function of each kind of child process.

Importing this module imports all that they need, so that the parent does it once for all of them.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from config.chores import regularly, releasing, sweeping, tidying
from config.compose import (
    Installation,
    cache_tidying,
    compose,
    dimse_edge,
    history,
    sweep,
    worker,
)
from config.compose_http import http_app
from config.http_server import http_server
from config.memory import return_large_arrays
from config.settings import Settings
from config.sharing import Slot
from dimse.server import DimseServer, Listener
from pacs.http.sessions import SessionEpoch
from pacs.pixels.fork_server import ForkServer, TaskLimits
from pacs.pixels.pool import Pool
from pacs.pixels.warm_up import warm_up
from storage.jobs import scheduled
from storage.upkeep.reconcile import remove_abandoned

log = structlog.get_logger(__name__)

for _late in ("anyio._backends._asyncio", "uvloop"):  # which the first request would wait for, in each child
    importlib.import_module(_late)

SWEEP_EVERY = RELEASE_EVERY = 60.0  # seconds
TIDY_EVERY = 10.0  # seconds; all of the cache in some five minutes


def fork_server(settings: Settings) -> ForkServer:
    return ForkServer(TaskLimits(settings.pixel_timeout, settings.pixel_memory))


@dataclass(frozen=True, slots=True)
class Node:
    """What its children do; `fork_server` is where they spawn workers for pixels."""

    settings: Settings
    fork_server: ForkServer
    epoch: SessionEpoch = field(default_factory=SessionEpoch)

    def pixels(self, stop: threading.Event) -> None:
        """Serves until all other children have ended, whatever `stop` says."""
        warm_up()
        self.fork_server.run()

    def dimse(self, listeners: Sequence[Listener], slot: Slot, stop: threading.Event) -> None:
        with self._composed() as installation:
            server = DimseServer(dimse_edge(installation), listeners, slot)

            def accept() -> None:
                try:
                    server.serve()
                finally:
                    stop.set()  # where it fails, another process takes this one's place

            accepting = threading.Thread(target=accept, name="accept", daemon=True)
            accepting.start()
            stop.wait()
            if not server.drain(self.settings.drain_timeout):
                log.warning("associations were cut off", hint="PACS_DRAIN_TIMEOUT is what they get")
            accepting.join()

    def http(self, listener: socket.socket, slot: Slot, stop: threading.Event) -> None:
        with self._composed(spare=True) as installation:
            server = http_server(http_app(installation, stop.is_set, self.epoch), self.settings, slot)

            def end() -> None:
                stop.wait()
                server.should_exit = True

            threading.Thread(target=end, name="end", daemon=True).start()
            with regularly("tidy cache", tidying(cache_tidying(installation)), TIDY_EVERY, stop):
                server.run(sockets=[listener])

    def jobs(self, stop: threading.Event) -> None:
        with (
            self._composed() as installation,
            regularly("sweep", sweeping(sweep(installation), history(installation)), SWEEP_EVERY, stop),
            regularly("release jobs", releasing(installation.database), RELEASE_EVERY, stop),
        ):
            scheduled.begin(installation.database, timedelta(seconds=self.settings.audit_verify_every))
            worker(installation, f"{socket.gethostname()}:{os.getpid()}", stop.is_set).run(stop)

    @contextlib.contextmanager
    def _composed(self, spare: bool = False) -> Iterator[Installation]:
        return_large_arrays()
        settings = self.settings
        pool = Pool(self.fork_server.spawn, settings.pixel_processes, settings.pixel_timeout, spare)
        with compose(settings, pool) as installation:
            _clear_up(installation)
            yield installation


def _clear_up(installation: Installation) -> None:
    """Remove what a dead predecessor was receiving: it may be many gigabytes, and was never acknowledged."""
    try:
        remove_abandoned(installation.blobs)
    except OSError as error:
        log.warning("abandoned spool not removed", reason=error.strerror)
