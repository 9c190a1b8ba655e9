"""The HTTP server of one process: uvicorn, with our protocol, sockets and signals."""

from __future__ import annotations

import contextlib
import resource
import socket
from collections.abc import Iterator
from functools import partial

import uvicorn

from config import tls
from config.accepting import Accepting
from config.http_protocol import BoundedProtocol
from config.settings import Settings
from config.sharing import Slot
from pacs.http.app import App

KEEP_ALIVE = 65  # seconds; longer than the 60 of common proxies, which then close first


def http_server(app: App, settings: Settings, slot: Slot) -> uvicorn.Server:
    """`slot`: this process's among those that accept from the same sockets. Stop it by `should_exit`."""
    config = _config(app, settings)
    config.load()
    config.ssl = tls.web(settings)
    return HttpServer(config, slot)


class HttpServer(uvicorn.Server):
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
            self.servers.append(accepting)  # type: ignore[arg-type]  # has what uvicorn asks of a server

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(app: App, settings: Settings) -> uvicorn.Config:
    open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",  # if a library for them is installed, they bypass all bounds and checks
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
