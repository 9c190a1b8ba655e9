"""Messages between a worker process and its client: a kind, a length, the bytes.

An object that is a file goes along as a descriptor for reading only: its bytes cross no socket.
A worker only ever sends bytes and text, never pickled objects: a forged image may have taken it over.
"""

from __future__ import annotations

import socket
import struct
from enum import IntEnum

from pacs.dicom.source import Source

_HEAD = struct.Struct("<BQ")
_RANGE = struct.Struct("<QQ")
MOST = 1 << 30
"""Bytes of a message."""
OPENING = 1 << 20
"""Bytes of an object that are sent along with its task. Most objects need no more."""
_JOINED = 64 * 1024
"""Bytes below which a message is sent in one call."""


class Kind(IntEnum):
    TASK = 1
    READ = 2
    DATA = 3
    RESULT = 4
    REFUSED = 5
    READY = 6


def send(peer: socket.socket, kind: Kind, data: bytes = b"", file: int | None = None) -> None:
    """`file`: a descriptor that goes along, for `receive_task`."""
    head = _HEAD.pack(kind, len(data))
    if file is not None:
        message = head + data
        sent = socket.send_fds(peer, [message], [file])
        peer.sendall(message[sent:])
    elif len(data) < _JOINED:
        peer.sendall(head + data)
    else:
        peer.sendall(head)
        peer.sendall(data)


def receive(peer: socket.socket) -> tuple[Kind, bytes]:
    """`EOFError` when the peer is gone, `ValueError` for a malformed message."""
    return _content(peer, _exactly(peer, _HEAD.size))


def receive_task(peer: socket.socket) -> tuple[bytes, int | None]:
    """The task, and the descriptor that came along, which the caller closes."""
    head, files, _, _ = socket.recv_fds(peer, _HEAD.size, 1)
    if not head:
        raise EOFError
    _, task = _content(peer, head + _exactly(peer, _HEAD.size - len(head)))
    return task, files[0] if files else None


def _content(peer: socket.socket, head: bytes) -> tuple[Kind, bytes]:
    kind, length = _HEAD.unpack(head)
    if length > MOST:
        raise ValueError("a message is too long")
    return Kind(kind), _exactly(peer, length)


def _exactly(peer: socket.socket, length: int) -> bytes:
    """A socket without a timeout delivers it in one piece, which saves copying."""
    pieces = list[bytes]()
    while length:
        piece = peer.recv(min(length, OPENING), socket.MSG_WAITALL)
        if not piece:
            raise EOFError
        pieces.append(piece)
        length -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class RemoteSource:
    """A `Source` that the peer has open and reads by `serve_read`; its `opening` is here already."""

    def __init__(self, peer: socket.socket, size: int, opening: bytes) -> None:
        self._peer = peer
        self._opening = opening
        self.size = size

    def read_at(self, offset: int, length: int) -> bytes:
        if 0 <= offset <= offset + length <= len(self._opening):
            return self._opening[offset : offset + length]
        send(self._peer, Kind.READ, _RANGE.pack(max(offset, 0), max(length, 0)))
        _, data = receive(self._peer)
        return data


def serve_read(peer: socket.socket, request: bytes, source: Source) -> None:
    offset, length = _RANGE.unpack(request)
    if length > MOST:
        raise ValueError("the range is longer than a message may be")
    send(peer, Kind.DATA, source.read_at(offset, length))
