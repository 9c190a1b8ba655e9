"""A DICOM client of a hundred lines, for what no public tool does: hold an association that says
nothing, send an object that is made while it is sent, and note when the first answer came.

PS3.8 §9.3 (PDUs) and PS3.7 §6.3 (command sets), only as far as needed; it trusts its peer.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator
from types import TracebackType

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
#: Bytes of a P-DATA-TF PDU sent where the peer takes as much, and of the header of the PDV in it.
PDU_LENGTH, PDV_HEADER = 131_072, 6
#: Seconds without a word from the peer.
PATIENCE = 600

C_STORE, C_FIND, C_CANCEL = 0x0001, 0x0020, 0x0FFF
NO_DATA_SET = b"\x01\x01"
PENDING = (0xFF00, 0xFF01)


class Association:
    """One association with one presentation context, Implicit VR Little Endian."""

    def __init__(self, address: tuple[str, int], called: str, abstract_syntax: str) -> None:
        self._syntax = abstract_syntax
        self._message = 0
        self._socket = socket.create_connection(address, PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._input = self._socket.makefile("rb")
        self._socket.sendall(_pdu(0x01, _associate_request(called, abstract_syntax)))
        kind, body = self._read_pdu()
        if kind != 0x02:
            raise ConnectionError(f"association refused: PDU type {kind}, {body.hex()}")
        self._room = min(PDU_LENGTH, _maximum_length(body) or PDU_LENGTH) - PDV_HEADER

    def store(self, sop_instance: str, chunks: Iterable[bytes]) -> int:
        """C-STORE of a data set that comes in chunks; the status."""
        self._send_command(C_STORE, (0x1000, sop_instance.encode()))
        for chunk in chunks:
            for at in range(0, len(chunk), self._room):
                self._send_fragment(0x00, chunk[at : at + self._room])
        self._send_fragment(0x02, b"")
        return next(self._statuses())

    def find(self, identifier: bytes, at_most: int | None = None) -> Iterator[int]:
        """C-FIND: the status of each response as it arrives, the final one too.

        After `at_most` answers a C-CANCEL is sent (PS3.7 §9.3.2.3), as a viewer's first page does.
        """
        self._send_command(C_FIND)
        self._send_fragment(0x02, identifier)
        for count, status in enumerate(self._statuses(), 1):
            yield status
            if status not in PENDING:
                return
            if count == at_most:
                self._send_group(
                    [(0x0100, _u16(C_CANCEL)), (0x0120, _u16(self._message)), (0x0800, NO_DATA_SET)]
                )

    def _send_command(self, field: int, *more: tuple[int, bytes]) -> None:
        self._message += 1
        values = [(0x0002, self._syntax.encode()), (0x0100, _u16(field)), (0x0110, _u16(self._message))]
        self._send_group([*values, (0x0700, _u16(0)), (0x0800, _u16(1)), *more])

    def _send_group(self, values: Iterable[tuple[int, bytes]]) -> None:
        group = b"".join(element(0x0000, number, value) for number, value in values)
        self._send_fragment(0x03, element(0x0000, 0x0000, struct.pack("<I", len(group))) + group)

    def _send_fragment(self, control: int, data: bytes) -> None:
        """One P-DATA-TF with one PDV; `control` is the message control header (PS3.8 Annex E.2)."""
        self._socket.sendall(_pdu(0x04, struct.pack(">IBB", len(data) + 2, 1, control) + data))

    def _statuses(self) -> Iterator[int]:
        """(0000,0900) of every command set that arrives; data sets are passed over."""
        command = b""
        while True:
            kind, body = self._read_pdu()
            if kind != 0x04:
                raise ConnectionError(f"PDU type {kind} instead of P-DATA-TF")
            at = 0
            while at < len(body):
                (length,) = struct.unpack_from(">I", body, at)
                control, data = body[at + 5], body[at + 6 : at + 4 + length]
                at += 4 + length
                if control & 0x01:
                    command += data
                if control == 0x03:
                    yield _status(command)
                    command = b""

    def _read_pdu(self) -> tuple[int, bytes]:
        header = self._input.read(6)
        if len(header) < 6:
            raise ConnectionError("the peer closed the connection")
        return header[0], self._input.read(int.from_bytes(header[2:], "big"))

    def __enter__(self) -> Association:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._socket.sendall(_pdu(0x05, bytes(4)))
            self._read_pdu()
        self._input.close()
        self._socket.close()


def element(group: int, number: int, value: bytes) -> bytes:
    """One element in Implicit VR Little Endian, padded with NUL to even length."""
    value += bytes(len(value) % 2)
    return struct.pack("<HHI", group, number, len(value)) + value


def _u16(value: int) -> bytes:
    return struct.pack("<H", value)


def _status(command: bytes) -> int:
    at = 0
    while at < len(command):
        group, number, length = struct.unpack_from("<HHI", command, at)
        if (group, number) == (0x0000, 0x0900):
            return int.from_bytes(command[at + 8 : at + 8 + length], "little")
        at += 8 + length
    raise ConnectionError("a response without a status")


def _maximum_length(accept: bytes) -> int:
    """What the peer takes in one PDU, 0 for any length: item 51H (PS3.8 Annex D.1)."""
    at = 68
    while accept[at] != 0x50:
        at += 4 + int.from_bytes(accept[at + 2 : at + 4], "big")
    at += 4
    while accept[at] != 0x51:
        at += 4 + int.from_bytes(accept[at + 2 : at + 4], "big")
    return int.from_bytes(accept[at + 4 : at + 8], "big")


def _pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(body)) + body


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


def _associate_request(called: str, abstract_syntax: str) -> bytes:
    context = struct.pack(">Bxxx", 1) + _item(0x30, abstract_syntax.encode())
    context += _item(0x40, IMPLICIT_LITTLE.encode())
    user = _item(0x51, struct.pack(">I", 16_384)) + _item(0x52, b"2.25.1")
    titles = called.encode().ljust(16) + b"BENCH".ljust(16)
    items = _item(0x10, APPLICATION_CONTEXT.encode()) + _item(0x20, context) + _item(0x50, user)
    return struct.pack(">Hxx", 1) + titles + bytes(32) + items
