"""Associations that only stand there: plain sockets, so that the peer's own cost is nothing."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator

VERIFICATION = b"1.2.840.10008.1.1"
IMPLICIT = b"1.2.840.10008.1.2"


def _item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def associate_request(called: bytes = b"PACS", calling: bytes = b"IDLE") -> bytes:
    """A-ASSOCIATE-RQ for Verification (PS3.8 §9.3.2), written by hand."""
    context = _item(0x20, b"\x01\0\0\0" + _item(0x30, VERIFICATION) + _item(0x40, IMPLICIT))
    user = _item(0x50, _item(0x51, struct.pack(">L", 16384)) + _item(0x52, b"1.2.3.4"))
    body = struct.pack(">HH16s16s32x", 1, 0, called.ljust(16), calling.ljust(16))
    body += _item(0x10, b"1.2.840.10008.3.1.1.1") + context + user
    return struct.pack(">BxL", 1, len(body)) + body


def _receive(peer: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length and (chunk := peer.recv(length - len(data))):
        data += chunk
    return data


@contextlib.contextmanager
def associate_and_hold(port: int, count: int) -> Iterator[int]:
    """Yields how many of `count` associations were accepted."""
    with contextlib.ExitStack() as stack:
        accepted = 0
        for _ in range(count):
            peer = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=120))
            peer.sendall(associate_request())
            kind, length = struct.unpack(">BxL", _receive(peer, 6))
            _receive(peer, length)
            accepted += kind == 2
        yield accepted
