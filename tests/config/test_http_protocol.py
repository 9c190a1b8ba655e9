"""Requests whose head never ends, or never comes, against uvicorn as the archive runs it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from config import http_protocol
from config.http_protocol import LINGER, MAX_HEAD, MAX_URL, SPARE, BoundedProtocol
from pacs.http.connection_limit import OVER_LIMIT

CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
FLOOD = 8 << 20


async def count(scope: Scope, receive: Receive, send: Send) -> None:
    size = 0
    async for piece in Request(scope, receive).stream():
        size += len(piece)
    await PlainTextResponse(str(size))(scope, receive, send)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    yield from serving(count)


@pytest.fixture(scope="module")
def impatient_port() -> Iterator[int]:
    yield from serving(count, timeout_keep_alive=1)


def serving(app: ASGIApp, timeout_keep_alive: int = 60, **settings: Any) -> Iterator[int]:
    settings |= {"lifespan": "off", "log_config": None, "timeout_keep_alive": timeout_keep_alive}
    config = uvicorn.Config(app, http=BoundedProtocol, **settings)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        running.start()
        while not server.started:
            time.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        running.join()


def exchange(port: int, pieces: Iterable[bytes]) -> tuple[bytes, int]:
    """What is answered until the server closes, and how many bytes it took."""
    taken = 0
    with socket.create_connection(("127.0.0.1", port), timeout=60) as peer:
        try:
            for piece in pieces:
                peer.sendall(piece)
                taken += len(piece)
        except ConnectionError:
            pass
        answer = b""
        try:
            while data := peer.recv(65536):
                answer += data
        except ConnectionError:
            pass
        return answer, taken


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"GET /", b"a" * 4096),
        (GET + b"x: ", b"a" * 4096),
        (GET, b"x: a\r\n" * 512),
        (CHUNKED + b"0\r\n", b"x: a\r\n" * 512),
    ],
    ids=["address", "header", "headers", "trailers"],
)
def test_a_head_without_end_is_refused(port: int, start: bytes, more: bytes) -> None:
    answer, taken = exchange(port, [start, *[more] * (FLOOD // len(more))])
    assert taken < FLOOD
    assert not answer or b" 431 " in answer  # a connection that is cut may lose the answer


def test_a_head_that_is_too_long_is_told_so(port: int) -> None:
    answer, _ = exchange(port, [GET + b"x: " + b"a" * MAX_HEAD])
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_an_address_that_is_too_long_is_told_so(port: int) -> None:
    """As a search for 2,000 UIDs has; the parser alone would call it malformed."""
    answer, _ = exchange(port, [b"GET /?UID=" + b"1" * MAX_URL + b" HTTP/1.1\r\nHost: x\r\n\r\n"])
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_a_request_with_two_hosts_is_refused(port: int) -> None:
    """Proxies and servers would each take another one of them (RFC 9112 §3.2)."""
    answer, _ = exchange(port, [GET + b"Host: y\r\n\r\n"])
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_request_without_host_is_told_so(port: int) -> None:
    answer, _ = exchange(port, [b"GET / HTTP/1.1\r\n\r\n"])
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.endswith(b"A request has one Host header.")


def test_health_checks_of_http_1_0_name_no_host(port: int) -> None:
    answer, _ = exchange(port, [b"GET / HTTP/1.0\r\n\r\n"])
    assert answer.startswith(b"HTTP/1.1 200 ")


async def pieces(scope: Scope, receive: Receive, send: Send) -> None:
    """A body of unknown size; on `/early` it breaks off."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"one ", "more_body": True})
    if scope["path"] != "/early":
        await send({"type": "http.response.body", "body": b"two", "more_body": True})
        await send({"type": "http.response.body"})


@pytest.fixture(scope="module")
def streaming_port() -> Iterator[int]:
    yield from serving(pieces)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_http_1_0_gets_no_chunks(streaming_port: int, method: str) -> None:
    """A peer that does not know them takes them for content (RFC 9112 §6.1)."""
    answer, _ = exchange(streaming_port, [f"{method} / HTTP/1.0\r\n\r\n".encode()])
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower() and b"connection: close" in head.lower()
    assert body == (b"one two" if method == "GET" else b"")


def test_http_1_1_gets_chunks(streaming_port: int) -> None:
    answer, _ = exchange(streaming_port, [GET + b"Connection: close\r\n\r\n"])
    assert answer.endswith(b"4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n")


def test_a_body_that_breaks_off_does_not_seem_complete_to_http_1_0(streaming_port: int) -> None:
    with socket.create_connection(("127.0.0.1", streaming_port), timeout=60) as peer:
        peer.sendall(b"GET /early HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            while peer.recv(65536):
                pass


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    body = await request.body()
    named = scope["path"], request.query_params.get("PatientName"), body.decode()
    await PlainTextResponse("|".join(map(str, named)))(scope, receive, send)


@pytest.fixture(scope="module")
def echoing_port() -> Iterator[int]:
    yield from serving(echo)


def test_names_that_are_not_escaped_are_understood(echoing_port: int) -> None:
    """As curl sends what is typed; also in the second request of a connection."""
    first = "POST /Zürich?PatientName=Müller* HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\né!"
    last = "GET /a?PatientName=王* HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    def in_turn() -> Iterator[bytes]:
        yield first.encode()
        time.sleep(0.2)
        yield last.encode()

    answer, _ = exchange(echoing_port, in_turn())
    assert "/Zürich|Müller*|é!" in answer.decode()
    assert answer.decode().endswith("/a|王*|")


def test_bodies_may_be_longer_than_heads(port: int) -> None:
    size = 10 * MAX_HEAD
    whole = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size
    answer, _ = exchange(port, [whole, b"x" * size])
    assert answer.endswith(str(size).encode())
    pieces = b"".join(b"4\r\nabcd\r\n" for _ in range(size // 4))
    closing = CHUNKED.replace(b"Host", b"Connection: close\r\nHost")
    answer, _ = exchange(port, [closing, pieces, b"0\r\n\r\n"])
    assert answer.endswith(str(size).encode())


@pytest.mark.parametrize("start", [b"", b"GET / HT", GET + b"x: a\r\n"])
def test_an_unfinished_head_is_not_waited_for(impatient_port: int, start: bytes) -> None:
    assert exchange(impatient_port, [start]) == (b"", len(start))


def test_dripping_bytes_buy_no_time(impatient_port: int) -> None:
    def dripping() -> Iterator[bytes]:
        yield GET
        for _ in range(100):
            time.sleep(0.1)
            yield b"x: a\r\n"

    _, taken = exchange(impatient_port, dripping())
    assert taken < 600


@pytest.fixture(scope="module")
def hasty_port() -> Iterator[int]:
    """Whoever answers there reads no body."""
    yield from serving(PlainTextResponse("no"))


def test_a_body_that_goes_on_behind_its_answer_is_not_read_for_ever(hasty_port: int) -> None:
    piece = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    endless = [piece] * (4 * LINGER // len(piece))
    answer, taken = exchange(hasty_port, [CHUNKED, *endless])
    assert taken < 3 * LINGER
    assert not answer or answer.endswith(b"no")  # a connection that is cut may lose the answer


def test_a_caller_answered_early_may_finish_and_ask_again(hasty_port: int) -> None:
    piece = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    again = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer, _ = exchange(hasty_port, [CHUNKED, *[piece] * 4, b"0\r\n\r\n", again])
    assert answer.count(b"HTTP/1.1 200") == 2


MOST = 3
ASKING = GET + b"\r\n"


@pytest.fixture
def small_port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(http_protocol, "SPARE_PATIENCE", 60)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse(f"crowded={scope['state'][OVER_LIMIT]}")(scope, receive, send)

    yield from serving(answer, limit_concurrency=MOST)


def test_connections_too_many_are_told_apart_and_do_not_stay(small_port: int) -> None:
    with ExitStack() as opened:

        def connect() -> socket.socket:
            return opened.enter_context(socket.create_connection(("127.0.0.1", small_port), timeout=60))

        def ask(peer: socket.socket) -> bytes:
            peer.sendall(ASKING)
            return peer.recv(65536)

        first = [connect() for _ in range(MOST)]
        assert all(ask(peer).endswith(b"crowded=False") for peer in first)
        late = connect()
        assert ask(late).endswith(b"crowded=True")
        assert late.recv(65536) == b""
        assert all(ask(peer).endswith(b"crowded=False") for peer in first)
        first.pop().close()
        while not ask(connect()).endswith(b"crowded=False"):
            pass  # the server has not noticed yet


def test_a_flood_of_connections_is_cut_off_at_once(small_port: int) -> None:
    with ExitStack() as opened:
        held = [
            opened.enter_context(socket.create_connection(("127.0.0.1", small_port), timeout=60))
            for _ in range(MOST + SPARE + 1)
        ]
        with suppress(ConnectionError):
            assert held[-1].recv(1) == b""
        held[0].sendall(ASKING)
        assert held[0].recv(65536).endswith(b"crowded=False")
