"""Transport connections: how they are made and set up (PS3.8 §9.1).

Making one has a limit to all waits together, and a flag that ends them at once.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
import time

from dimse.flag import Flag

INTERNET = (socket.AF_INET, socket.AF_INET6)
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


def connect(host: str, port: int, timeout: float, end: Flag | None = None) -> socket.socket:
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
            _connect(sock, address, now + (deadline - now) / left, end)
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise failure


def _connect(sock: socket.socket, address: tuple[object, ...], deadline: float, end: Flag | None) -> None:
    sock.setblocking(False)
    code = sock.connect_ex(address)
    if code == errno.EINPROGRESS:
        _wait(sock, select.POLLOUT, deadline, end)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def encrypted(
    sock: socket.socket,
    tls: ssl.SSLContext,
    timeout: float,
    end: Flag | None = None,
    host: str | None = None,
) -> ssl.SSLSocket:
    """`sock` by TLS, whose client we are if `host` is given. `TimeoutError`, or another `OSError`; then it is
    closed."""
    sock.setblocking(False)
    wrapped = tls.wrap_socket(
        sock, server_side=host is None, server_hostname=host, do_handshake_on_connect=False
    )
    try:
        _shake_hands(wrapped, time.monotonic() + timeout, end)
    except OSError:
        wrapped.close()
        raise
    return wrapped


def _shake_hands(sock: ssl.SSLSocket, deadline: float, end: Flag | None) -> None:
    while True:
        try:
            return sock.do_handshake()
        except ssl.SSLWantReadError:
            _wait(sock, select.POLLIN, deadline, end)
        except ssl.SSLWantWriteError:
            _wait(sock, select.POLLOUT, deadline, end)


def _wait(sock: socket.socket, event: int, deadline: float, end: Flag | None) -> None:
    poll = select.poll()
    poll.register(sock, event)
    if end is not None:
        poll.register(end, select.POLLIN)
    ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
    if all(descriptor != sock.fileno() for descriptor, _ in ready):
        raise TimeoutError
