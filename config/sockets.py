"""Listening sockets: opened once by the parent, shared by its children."""

from __future__ import annotations

import errno
import os
import socket

from config.address import Address

BACKLOG = 512
STALLED = 300
"""Seconds after which a peer that acknowledges no data is disconnected, where the system supports it."""


class CannotListen(Exception):
    """The address cannot be listened on. `advice` says what to do about the `fault`."""

    def __init__(self, fault: str, advice: str, *, in_use: bool = False) -> None:
        super().__init__(f"{fault}: {advice}")
        self.fault = fault
        self.advice = advice
        self.in_use = in_use


def listen(address: Address, setting: str) -> socket.socket:
    """`setting`: the one to change when the address is taken, for the error message."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CannotListen(_elsewhere(address), _another(setting)) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # accepted sockets inherit it
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED * 1000)
        listener.bind(where)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _reason(error, address, setting) from error
    return listener


def bound(listener: socket.socket, asked: Address) -> Address:
    """The requested address, with the actual port in place of 0."""
    return Address(asked.host, listener.getsockname()[1])


def _reason(error: OSError, address: Address, setting: str) -> CannotListen:
    another = _another(setting)
    if error.errno == errno.EADDRINUSE:
        return CannotListen(f"{address} is in use", f"stop what listens there, or {another}", in_use=True)
    if error.errno == errno.EACCES:
        advice = f"choose a port above 1023 with {setting}"
        return CannotListen(f"{address} is not allowed for this user", advice)
    if error.errno == errno.EADDRNOTAVAIL:
        return CannotListen(_elsewhere(address), another)
    return CannotListen(f"cannot listen on {address} ({os.strerror(error.errno or 0)})", another)


def _elsewhere(address: Address) -> str:
    return f"{address.host} is not an address of this machine"


def _another(setting: str) -> str:
    return f"choose another address with {setting}"
