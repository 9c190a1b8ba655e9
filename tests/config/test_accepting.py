"""Who takes the next connection, and what becomes of those who do not say hello."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from config import accepting
from config.accepting import Accepting
from config.sharing import ConnectionCounts, Slot


class Process:
    """What one of several processes would be: it listens on the same socket and tells how many it holds."""

    def __init__(self, listener: socket.socket, slot: Slot, tls: ssl.SSLContext | None = None) -> None:
        self.accepting = Accepting(listener.dup(), self._protocol, slot, tls)
        self.connections = self.accepting.connections
        self.accepting.start()

    def _protocol(self) -> asyncio.Protocol:
        return _Protocol(self)


def alone(listener: socket.socket, tls: ssl.SSLContext | None = None) -> Process:
    return Process(listener, ConnectionCounts(1).slot(0), tls)


def pair(listener: socket.socket) -> tuple[Process, Process]:
    sharing = ConnectionCounts(2)
    return Process(listener, sharing.slot(0)), Process(listener, sharing.slot(1))


class _Protocol(asyncio.Protocol):
    def __init__(self, process: Process) -> None:
        self._process = process

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._process.connections.add(self)

    def data_received(self, data: bytes) -> None:
        assert isinstance(self._transport, asyncio.Transport)
        self._transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._process.connections.discard(self)


Scene = Callable[[socket.socket], Awaitable[None]]


def play(scene: Scene, loop: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
    async def played() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
            await asyncio.wait_for(scene(listener), 60)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(played())


async def connected(listener: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*listener.getsockname())


async def answered(listener: socket.socket) -> asyncio.StreamWriter:
    reader, writer = await connected(listener)
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    return writer


@pytest.mark.parametrize("count", [2, 4, 16, 100])
def test_connections_that_come_at_once_are_shared(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "PATIENCE", 60.0)

    async def scene(listener: socket.socket) -> None:
        processes = pair(listener)
        held = await asyncio.gather(*(answered(listener) for _ in range(count)))
        fewer, more = sorted(len(process.connections) for process in processes)
        assert fewer + more == len(held)
        assert more - fewer <= max(1, count // 8)

    play(scene)


def test_one_that_holds_many_takes_the_next_when_nobody_else_does() -> None:
    async def scene(listener: socket.socket) -> None:
        process = Process(listener, ConnectionCounts(2).slot(0))  # the other one is dead
        held = [await answered(listener) for _ in range(20)]
        assert len(process.connections) == len(held)

    play(scene)


def test_the_process_that_lost_some_takes_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "PATIENCE", 60.0)

    async def scene(listener: socket.socket) -> None:
        processes = pair(listener)
        held = [await answered(listener) for _ in range(8)]
        assert [len(process.connections) for process in processes] == [4, 4]
        for protocol in list(processes[0].connections):
            protocol._transport.abort()
        while processes[0].connections:
            await asyncio.sleep(0.01)
        held += [await answered(listener) for _ in range(4)]
        assert [len(process.connections) for process in processes] == [4, 4]

    play(scene)


def test_nothing_is_taken_behind_the_end() -> None:
    async def scene(listener: socket.socket) -> None:
        process, other = pair(listener)
        process.accepting.close()
        await process.accepting.wait_closed()
        held = [await answered(listener) for _ in range(3)]
        assert (len(process.connections), len(other.connections)) == (0, len(held))

    play(scene)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_one_that_comes_at_the_end_is_not_waited_for(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """It was counted as a connection for ever: uvloop tells nobody of its end when it is cancelled."""

    async def scene(listener: socket.socket) -> None:
        class Last(_Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                process.accepting.close()

        process = alone(listener)
        process.accepting._protocol = lambda: Last(process)
        with socket.create_connection(listener.getsockname()) as peer:
            peer.setblocking(False)
            assert await asyncio.get_running_loop().sock_recv(peer, 1) == b""
            await process.accepting.wait_closed()
            while process.connections:
                await asyncio.sleep(0.01)

    play(scene, loop)


def test_a_handshake_that_never_ends_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "HANDSHAKE_PATIENCE", 0.2)

    async def scene(listener: socket.socket) -> None:
        process = alone(listener, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        reader, _ = await connected(listener)
        assert await reader.read() == b""
        assert not process.connections

    play(scene)


def test_a_crowd_that_comes_at_once_is_served() -> None:
    """Half of those beyond the bound of handshakes were closed unheard, also where there is none to shake."""
    count = 3 * accepting.HANDSHAKES

    async def scene(listener: socket.socket) -> None:
        listener.listen(count)
        waiting = [socket.create_connection(listener.getsockname()) for _ in range(count)]
        process = alone(listener)
        streams = [await asyncio.open_connection(sock=peer) for peer in waiting]
        for reader, writer in streams:
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
        assert len(process.connections) == count

    play(scene)


def test_connections_beyond_the_bound_of_handshakes_wait_for_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """They were closed unheard, as were browsers that came back together after the network had been away."""
    monkeypatch.setattr(accepting, "HANDSHAKE_PATIENCE", 60.0)
    monkeypatch.setattr(accepting, "HANDSHAKES", 2)

    async def scene(listener: socket.socket) -> None:
        counts: list[int] = []
        process = alone(listener, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        process.accepting.connections = accepting.Connections(counts.append)
        silent = [await connected(listener) for _ in range(5)]
        for number, (_, writer) in enumerate(silent, 1):
            while counts.count(2) < min(number, 4):
                await asyncio.sleep(0.01)
            writer.close()
        while counts[-1]:
            await asyncio.sleep(0.01)
        assert max(counts) == 2

    play(scene)


def test_nobody_takes_the_place_of_a_handshake_behind_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "HANDSHAKE_PATIENCE", 60.0)
    monkeypatch.setattr(accepting, "HANDSHAKES", 1)

    async def scene(listener: socket.socket) -> None:
        counts: list[int] = []
        process = alone(listener, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        process.accepting.connections = accepting.Connections(counts.append)
        _silent = [await connected(listener) for _ in range(2)]
        while counts != [1]:
            await asyncio.sleep(0.01)
        process.accepting.close()
        await process.accepting.wait_closed()
        other = alone(listener)
        while len(other.connections) != 1:
            await asyncio.sleep(0.01)
        assert counts == [1, 0]

    play(scene)
