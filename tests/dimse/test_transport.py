"""Connections to hosts that do not answer: no wait is longer than allowed."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from dimse.transport import connect, encrypted

FOREVER = 3600.0


@contextmanager
def deaf() -> Iterator[int]:
    """A port whose queue is full: connecting there is neither refused nor accepted."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = listener.getsockname()[1]
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port


class TooLate(Exception):
    pass


def too_late() -> None:
    raise TooLate


def test_a_host_that_does_not_answer_is_given_up() -> None:
    with deaf() as port, pytest.raises(TimeoutError):
        connect("127.0.0.1", port, 0.1)


def test_a_wait_for_a_connection_ends_when_it_is_too_late() -> None:
    with deaf() as port, pytest.raises(TooLate):
        connect("127.0.0.1", port, FOREVER, too_late)


def test_a_host_that_refuses_is_no_matter_of_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        connect("127.0.0.1", port, FOREVER)


def test_every_address_of_a_host_gets_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first took all the time, although another would have accepted."""
    with deaf() as silent, socket.create_server(("127.0.0.1", 0)) as listener:
        ports = (silent, listener.getsockname()[1])
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)) for port in ports]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *asked, **more: found)
        with connect("two.example", 104, 1.0) as sock:
            assert sock.getpeername()[1] == ports[1]


@pytest.mark.parametrize("host", [None, "127.0.0.1"], ids=["server", "client"])
def test_a_handshake_that_does_not_end_is_given_up(host: str | None) -> None:
    context = ssl.create_default_context() if host else ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for timeout, meanwhile, end in ((0.1, None, TimeoutError), (FOREVER, too_late, TooLate)):
        ours, theirs = socket.socketpair()
        with theirs:
            with pytest.raises(end):
                encrypted(ours, context, timeout, meanwhile, host)
            theirs.settimeout(60)
            while theirs.recv(1 << 16):
                pass
