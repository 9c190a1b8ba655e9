"""Transport connections: how they are made and set up (PS3.8 §9.1).

Making one has one limit for all waits together; `meanwhile` is called during them.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
import time
from collections.abc import Callable

INTERNET = (socket.AF_INET, socket.AF_INET6)
Meanwhile = Callable[[], None]
"""Called several times a second during a wait, which it ends by raising."""
MEANWHILE_EVERY = 0.25
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


def prepare(sock: socket.socket) -> None:
    """No Nagle, no endless half-open peers, no blocking."""
    sock.setblocking(False)
    if sock.family not in INTERNET:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, seconds in _KEEPALIVE:
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)


def connect(host: str, port: int, timeout: float, meanwhile: Meanwhile | None = None) -> socket.socket:
    """To the first address of `host` that accepts within its share of `timeout`. `TimeoutError`, or another
    `OSError`."""
    failure = OSError(errno.EADDRNOTAVAIL, "the host has no address")
    deadline = time.monotonic() + timeout
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for left, (family, kind, protocol, _, address) in zip(
        range(len(addresses), 0, -1), addresses, strict=True
    ):
        sock = socket.socket(family, kind, protocol)
        now = time.monotonic()
        try:
            _connect(sock, address, now + (deadline - now) / left, meanwhile)
            return sock
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
    raise failure


def _connect(
    sock: socket.socket, address: tuple[object, ...], deadline: float, meanwhile: Meanwhile | None
) -> None:
    sock.setblocking(False)
    code = sock.connect_ex(address)
    if code == errno.EINPROGRESS:
        _wait(sock, select.POLLOUT, deadline, meanwhile)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def encrypted(
    sock: socket.socket,
    tls: ssl.SSLContext,
    timeout: float,
    meanwhile: Meanwhile | None = None,
    host: str | None = None,
) -> ssl.SSLSocket:
    """`sock` by TLS, whose client we are if `host` is given. `TimeoutError`, or another `OSError`; then it is
    closed."""
    sock.setblocking(False)
    wrapped = tls.wrap_socket(
        sock, server_side=host is None, server_hostname=host, do_handshake_on_connect=False
    )
    try:
        _shake_hands(wrapped, time.monotonic() + timeout, meanwhile)
    except BaseException:
        wrapped.close()
        raise
    return wrapped


def _shake_hands(sock: ssl.SSLSocket, deadline: float, meanwhile: Meanwhile | None) -> None:
    while True:
        try:
            return sock.do_handshake()
        except ssl.SSLWantReadError:
            _wait(sock, select.POLLIN, deadline, meanwhile)
        except ssl.SSLWantWriteError:
            _wait(sock, select.POLLOUT, deadline, meanwhile)


def _wait(sock: socket.socket, event: int, deadline: float, meanwhile: Meanwhile | None) -> None:
    poll = select.poll()
    poll.register(sock, event)
    while not poll.poll(max(0.0, min(deadline - time.monotonic(), MEANWHILE_EVERY)) * 1000):
        if time.monotonic() >= deadline:
            raise TimeoutError
        if meanwhile is not None:
            meanwhile()
