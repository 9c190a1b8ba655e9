"""What `config.http_protocol` and `config.http_server` build on inside uvicorn, which any release may change.

When this fails after an update, read what changed in uvicorn's `protocols/http/httptools_impl.py` and
`server.py`, mend our subclasses, and raise the upper bound in `pyproject.toml`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from importlib import metadata
from typing import Any, cast

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from config.http_protocol import BoundedProtocol
from config.http_server import HttpServer

VERSION = metadata.version("uvicorn")


def changed(what: str) -> str:
    return f"uvicorn {VERSION} has changed inside: {what}. {__doc__}"


OVERRIDDEN = {
    BoundedProtocol: {
        "connection_made",
        "connection_lost",
        "data_received",
        "on_message_begin",
        "on_headers_complete",
        "on_body",
        "on_message_complete",
        "send_400_response",
    },
    HttpServer: {"startup", "capture_signals"},
}


@pytest.mark.parametrize("ours", OVERRIDDEN, ids=lambda ours: ours.__name__)
def test_what_we_override_is_there_and_takes_the_same(ours: type) -> None:
    theirs = ours.__mro__[1]
    for name in sorted(OVERRIDDEN[ours]):
        assert name in vars(theirs), changed(f"{theirs.__name__} has no {name}")
        mine, original = (list(inspect.signature(getattr(of, name)).parameters) for of in (ours, theirs))
        assert mine == original, changed(f"{theirs.__name__}.{name} takes {original}")


@pytest.mark.parametrize("ours", OVERRIDDEN, ids=lambda ours: ours.__name__)
def test_what_is_ours_alone_is_nothing_of_theirs(ours: type) -> None:
    theirs = ours.__mro__[1]
    alone = {name for name in vars(ours) if not name.startswith("__")} - OVERRIDDEN[ours]
    taken = alone & set(dir(theirs))
    assert not taken, changed(f"{theirs.__name__} now has {', '.join(sorted(taken))}, which are ours")


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.sent += bytes(data)

    def writelines(self, list_of_data: Any) -> None:
        self.sent += b"".join(list_of_data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


def conversation(data: bytes) -> tuple[HttpToolsProtocol, Transport, list[str]]:
    """uvicorn's own protocol, what it wrote, and in which order it called what we override."""
    called: list[str] = []

    def told(name: str) -> Callable[..., object]:
        def method(self: HttpToolsProtocol, *given: Any) -> object:
            called.append(name)
            return getattr(HttpToolsProtocol, name)(self, *given)

        return method

    watched = type(
        "Watched", (HttpToolsProtocol,), {name: told(name) for name in OVERRIDDEN[BoundedProtocol]}
    )

    async def run() -> tuple[HttpToolsProtocol, Transport]:
        config = uvicorn.Config(app, http=watched, lifespan="off", log_config=None, limit_concurrency=7)
        protocol = cast(HttpToolsProtocol, watched(config, ServerState(), {}))
        transport = Transport()
        assert protocol.limit_concurrency == 7, changed("limit_concurrency is not the setting")
        protocol.limit_concurrency = None
        protocol.connection_made(transport)
        protocol.data_received(data)
        while protocol.tasks:
            await asyncio.sleep(0)
        return protocol, transport

    return *asyncio.run(run()), called


def test_the_order_of_calls_and_what_they_leave() -> None:
    protocol, transport, called = conversation(
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab"
    )
    assert called == [
        "connection_made",
        "data_received",
        "on_message_begin",
        "on_headers_complete",
        "on_body",
        "on_message_complete",
    ], changed("the order of calls")
    left = {
        "transport": transport,
        "connections": {protocol},
        "server_state.connections": {protocol},
        "scope.state": {},
        "cycle.response_complete": True,
        "cycle.keep_alive": False,
        "limit_concurrency": None,
        "timeout_keep_alive": protocol.config.timeout_keep_alive,
    }
    for path, value in left.items():
        assert found(protocol, path) == value, changed(f"a protocol's {path} is {found(protocol, path)}")
    assert transport.sent.startswith(b"HTTP/1.1 204 ") and transport.closed, changed(
        "how answers are written"
    )


def found(protocol: HttpToolsProtocol, path: str) -> object:
    value: Any = protocol
    for name in path.split("."):
        value = value.get(name, "absent") if isinstance(value, dict) else getattr(value, name, "absent")
    return value


def test_the_server_asks_its_listeners_and_connections_to_end() -> None:
    """Its `servers` are ours, of which it must ask no more than this."""
    told: list[str] = []

    class Listener:
        def close(self) -> None:
            told.append("close")

        async def wait_closed(self) -> None:
            told.append("wait_closed")

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup([])
            self.servers.append(cast(Any, Listener()))
            self.should_exit = True

    async def run() -> None:
        server = Server(uvicorn.Config(app, lifespan="off", log_config=None))
        await server.serve()
        assert isinstance(server.lifespan.state, dict), changed("the lifespan's state")

    asyncio.run(run())
    assert told == ["close", "wait_closed"], changed(f"a listener is told {told}")
