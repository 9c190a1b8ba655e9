"""Protocol data units as bytes: framing, and the presentation data values inside P-DATA-TF (PS3.8 §9.3).

The hot path of the archive. A PDU is parsed where it was received; a fragment is a `memoryview` of
the receive buffer and valid until the next bytes are received.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import NamedTuple

MAX_ASSOCIATE = 1 << 20
"""Bytes of an A-ASSOCIATE PDU; 128 contexts with 40 transfer syntaxes each take 150 KB."""
_MAX_CONTROL = 1 << 10  # A-RELEASE, A-ABORT and A-ASSOCIATE-RJ have 4 bytes

HEADER = struct.Struct(">BxI")
_PDV = struct.Struct(">IBB")
_PDV_BEHIND_HEADER = struct.Struct(">BxIIBB")
PDV_OVERHEAD = _PDV.size
_COMMAND, _LAST = 1, 2  # message control header, PS3.8 §E.2

_SMALL = 1 << 14  # an idle association holds one buffer of this size


class PduType(IntEnum):
    A_ASSOCIATE_RQ = 1
    A_ASSOCIATE_AC = 2
    A_ASSOCIATE_RJ = 3
    P_DATA_TF = 4
    A_RELEASE_RQ = 5
    A_RELEASE_RP = 6
    A_ABORT = 7


class AbortReason(IntEnum):
    """PS3.8 Table 9-26, reasons of the service provider."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


class BadPdu(Exception):
    """Malformed or too long."""

    def __init__(self, reason: AbortReason) -> None:
        super().__init__(reason.name)
        self.reason = reason


class Pdv(NamedTuple):
    """One fragment of a message (PS3.8 §9.3.5.1)."""

    context_id: int
    is_command: bool
    is_last: bool
    data: memoryview


class PduReader:
    """Bytes in, complete PDUs out: receive into `room()`, report the count to `received`, call `next`."""

    def __init__(self, max_length: int) -> None:
        self._limits = dict.fromkeys(PduType, _MAX_CONTROL)
        self._limits[PduType.A_ASSOCIATE_RQ] = MAX_ASSOCIATE
        self._limits[PduType.A_ASSOCIATE_AC] = MAX_ASSOCIATE
        self._limits[PduType.P_DATA_TF] = max_length
        self._full = max_length + HEADER.size
        self._allocate(_SMALL)
        self._start = self._end = 0

    def _allocate(self, size: int) -> None:
        self._view = memoryview(bytearray(size))

    @property
    def buffered(self) -> bool:
        """Whether bytes of an incomplete PDU wait; only meaningful once `next` returned None."""
        return self._end > self._start

    def room(self) -> memoryview:
        """The buffer for the next bytes; it overwrites what earlier calls of `next` returned."""
        if self._start == self._end:
            self._start = self._end = 0
        elif self._start and self._end + self._missing() > len(self._view):
            rest = self._end - self._start
            self._view[:rest] = self._view[self._start : self._end]
            self._start, self._end = 0, rest
        if self._end + self._missing() > len(self._view):
            rest_bytes = bytes(self._view[self._start : self._end])
            self._allocate(max(self._full, len(rest_bytes) + self._missing()))
            self._view[: len(rest_bytes)] = rest_bytes
            self._start, self._end = 0, len(rest_bytes)
        return self._view[self._end :]

    def received(self, count: int) -> None:
        self._end += count

    def _missing(self) -> int:
        """Bytes until the PDU that has begun is whole."""
        held = self._end - self._start
        if held < HEADER.size:
            return HEADER.size - held
        return HEADER.size + int(HEADER.unpack_from(self._view, self._start)[1]) - held

    def next(self) -> tuple[PduType, memoryview] | None:
        """The next complete PDU's type and body; `BadPdu` as early as it can be detected."""
        start = self._start
        if self._end - start < HEADER.size:
            return None
        kind, length = HEADER.unpack_from(self._view, start)
        limit = self._limits.get(kind)
        if limit is None:
            raise BadPdu(AbortReason.UNRECOGNIZED_PDU)
        if length > limit:
            raise BadPdu(AbortReason.INVALID_PARAMETER)
        end = start + HEADER.size + length
        if end > self._end:
            return None
        self._start = end
        return PduType(kind), self._view[start + HEADER.size : end]


def frame(kind: PduType, body: bytes = b"\0\0\0\0") -> bytes:
    """A PDU other than P-DATA-TF. A-RELEASE has four reserved bytes (PS3.8 §9.3.6)."""
    return HEADER.pack(kind, len(body)) + body


def abort(source: int, reason: AbortReason = AbortReason.NOT_SPECIFIED) -> bytes:
    """A-ABORT (PS3.8 §9.3.8). `source`: 0 service user, 2 service provider."""
    return frame(PduType.A_ABORT, bytes((0, 0, source, reason if source else 0)))


def pdvs(body: memoryview) -> list[Pdv]:
    """The fragments in a P-DATA-TF PDU."""
    found = []
    position, end = 0, len(body)
    while position < end:
        if end - position < PDV_OVERHEAD:
            raise BadPdu(AbortReason.INVALID_PARAMETER)
        length, context_id, control = _PDV.unpack_from(body, position)
        stop = position + 4 + length
        if length < 2 or stop > end:
            raise BadPdu(AbortReason.INVALID_PARAMETER)
        data = body[position + PDV_OVERHEAD : stop]
        found.append(Pdv(context_id, bool(control & _COMMAND), bool(control & _LAST), data))
        position = stop
    return found


def fragments(
    context_id: int, is_command: bool, chunks: Iterable[bytes | memoryview], max_length: int
) -> Iterator[tuple[bytes, bytes | memoryview]]:
    """P-DATA-TF PDUs, one fragment each, as headers and payloads to be written without a copy.

    `max_length` is what the peer announced: the bytes after the PDU header (PS3.8 §D.1.1).
    Fragments have even lengths (PS3.8 §E.1), and DCMTK aborts if not: the last byte of a chunk with an odd
    length goes with the next chunk, and at the end with a zero byte.
    """
    largest = (max_length - PDV_OVERHEAD) & ~1
    held: memoryview | bytes = b""
    odd = b""
    for chunk in chunks:
        view = memoryview(b"".join((odd, chunk)) if odd else chunk)
        even = len(view) & ~1
        odd = bytes(view[even:])
        for position in range(0, even, largest):
            if len(held):
                yield _p_data_header(context_id, is_command, len(held)), held
            held = view[position : min(position + largest, even)]
    if odd:
        if len(held):
            yield _p_data_header(context_id, is_command, len(held)), held
        held = odd + b"\0"
    yield _p_data_header(context_id, is_command | _LAST, len(held)), held


def _p_data_header(context_id: int, control: int, length: int) -> bytes:
    return _PDV_BEHIND_HEADER.pack(PduType.P_DATA_TF, length + PDV_OVERHEAD, length + 2, context_id, control)
