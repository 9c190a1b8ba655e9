"""The main function of each kind of child process.

Importing this module imports all that they need, so that the parent does it once for all of them.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog
import uvicorn

from config import tls
from config.accepting import Accepting
from config.chores import regularly, sweeping, tidying
from config.compose import (
    Installation,
    cache_tidying,
    compose,
    dimse_edge,
    history,
    open_blobs,
    prepare,
    store_is_ready,
    sweep,
    worker,
)
from config.compose_http import http_app
from config.http_protocol import BoundedProtocol
from config.memory import return_large_arrays
from config.settings import Settings
from config.sharing import Slot
from dimse.server import DimseServer, Listener
from pacs import passwords
from pacs.accounts import FIRST_ADMINISTRATOR
from pacs.actor import DEFAULT_ORGANIZATION, system_actor
from pacs.errors import DatabaseUnavailable, Unavailable
from pacs.http.app import App
from pacs.http.sessions import SessionEpoch
from pacs.pixels.fork_server import ForkServer, TaskLimits
from pacs.pixels.pool import Pool
from pacs.pixels.warm_up import warm_up
from storage.accounts.users import NewUser, SqlAccounts
from storage.database import Database
from storage.jobs import scheduled
from storage.upkeep.reconcile import reconcile, remove_abandoned

log = structlog.get_logger(__name__)

for _late in ("anyio._backends._asyncio", "uvloop"):  # which the first request would wait for, in each child
    importlib.import_module(_late)

SWEEP_EVERY = 60.0  # seconds
TIDY_EVERY = 10.0  # seconds; all of the cache in some five minutes
KEEP_ALIVE = 65  # seconds; longer than the 60 of common proxies, which then close first


def prepare_node(settings: Settings) -> None:
    """Before the children start: upgrade the schema, and clean up after a crash.

    Waits a while for a database that is just starting. An object store that does not answer is only
    logged: it is tried again for every object.
    """
    deadline = time.monotonic() + settings.database_patience
    while True:
        try:
            prepare(settings)
            break
        except DatabaseUnavailable:
            if time.monotonic() > deadline:
                raise
            log.warning("waiting for the database")
            time.sleep(1)
    database, blobs = Database(settings.resolved_database_url), open_blobs(settings)
    try:
        reconcile(database, blobs)
        store_is_ready(blobs)
    except DatabaseUnavailable:
        raise
    except Unavailable as error:  # what needs no objects can be served
        log.warning(
            "objects can be neither stored nor fetched now",
            where=settings.blobs_url or str(settings.data_dir),
            error=str(error),
            hint="senders are told to try again later; `pacs doctor` says what is wrong and what to do",
        )
    finally:
        blobs.close()
        database.close()


def first_administrator(settings: Settings) -> str:
    """Create it when there are no users; returns its one-time password, else an empty string."""
    password = passwords.one_time()
    new = NewUser(DEFAULT_ORGANIZATION, FIRST_ADMINISTRATOR, "admin", passwords.hashed(password), True)
    database = Database(settings.resolved_database_url)
    try:
        made = SqlAccounts(database).add_first(system_actor("first start"), new)
    finally:
        database.close()
    return password if made else ""


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
        with self._composed() as installation:
            config = _uvicorn(http_app(installation, stop.is_set, self.epoch), self.settings)
            config.load()
            config.ssl = tls.web(self.settings)
            server = _Server(config, slot)

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
        ):
            scheduled.begin(installation.database, timedelta(seconds=self.settings.audit_verify_every))
            worker(installation, f"{socket.gethostname()}:{os.getpid()}", stop.is_set).run(stop)

    @contextlib.contextmanager
    def _composed(self) -> Iterator[Installation]:
        return_large_arrays()
        settings = self.settings
        pool = Pool(self.fork_server.spawn, settings.pixel_processes, settings.pixel_timeout)
        with compose(settings, pool) as installation:
            _clear_up(installation)
            yield installation


def _clear_up(installation: Installation) -> None:
    """Remove what a dead predecessor was receiving: it may be many gigabytes, and was never acknowledged."""
    try:
        remove_abandoned(installation.blobs)
    except OSError as error:
        log.warning("abandoned spool not removed", reason=error.strerror)


class _Server(uvicorn.Server):
    """One that leaves signals to `config.supervisor`, and shares its socket with other processes."""

    def __init__(self, config: uvicorn.Config, slot: Slot) -> None:
        super().__init__(config)
        self._slot = slot

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup([])
        protocol = partial(
            BoundedProtocol,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        for listener in sockets or ():
            accepting = Accepting(listener, protocol, self._slot, self.config.ssl)
            self.server_state.connections = accepting.connections
            accepting.start()
            self.servers.append(accepting)  # type: ignore[arg-type]  # as much of one as is asked for

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _uvicorn(app: App, settings: Settings) -> uvicorn.Config:
    open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",  # else, with a library for them there, they pass by all bounds and checks
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,  # `pacs.http.origin` reads them
        date_header=True,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=int(settings.drain_timeout) or None,
        limit_concurrency=min(settings.max_connections, open_files // 2),  # each may read a file
    )
