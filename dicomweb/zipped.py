"""A ZIP archive generated while it is sent (APPNOTE 6.3, ZIP64), its members stored, not deflated.

Image data hardly deflates, and members stored with their checksums in front can be read from a stream by
any program. As all sizes are known in advance, so is every byte's position: the same instances yield the
same archive, and an interrupted download can be resumed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from pacs.http.streaming import Pieces

_MOST = 0xFFFFFFFF
_VERSION = 45  # ZIP64
_DATE, _TIME = 0x21, 0  # 1980-01-01: fixed, so that equal members yield equal archives

_LOCAL = struct.Struct("<4sHHHHHLLLHH")
_CENTRAL = struct.Struct("<4sHHHHHHLLLHHHHHLL")
_LOCAL_EXTRA = struct.Struct("<HHQQ")
_CENTRAL_EXTRA = struct.Struct("<HHQQQ")
_END_64 = struct.Struct("<4sQHHLLQQQQ")
_LOCATOR = struct.Struct("<4sLQL")
_END = struct.Struct("<4sHHHHLLH")


@dataclass(frozen=True, slots=True)
class Member:
    """`name`: generated, ASCII. `pieces`: `size` bytes in all, with the CRC-32 `crc`."""

    name: str
    size: int
    crc: int
    pieces: Iterable[bytes]


def zipped(members: Iterable[Member]) -> Pieces:
    """The archive. A member's pieces are requested only after its header was consumed."""
    position, directory = 0, bytearray()
    count = 0
    for member in members:
        header = _local(member)
        directory += _central(member, position)
        count += 1
        yield header
        yield from member.pieces
        position += len(header) + member.size
    yield bytes(directory) + _end(count, len(directory), position)


def length(members: Iterable[tuple[str, int | None]]) -> int | None:
    """Bytes of the archive that `zipped` yields for members of these names and sizes."""
    fixed = _LOCAL.size + _LOCAL_EXTRA.size + _CENTRAL.size + _CENTRAL_EXTRA.size
    total = _END_64.size + _LOCATOR.size + _END.size
    for name, size in members:
        if size is None:
            return None
        total += fixed + 2 * len(name) + size
    return total


def _local(member: Member) -> bytes:
    name = member.name.encode("ascii")
    fixed = (_VERSION, 0, 0, _TIME, _DATE, member.crc, _MOST, _MOST, len(name), _LOCAL_EXTRA.size)
    return _LOCAL.pack(b"PK\x03\x04", *fixed) + name + _LOCAL_EXTRA.pack(1, 16, member.size, member.size)


def _central(member: Member, position: int) -> bytes:
    name = member.name.encode("ascii")
    extra = _CENTRAL_EXTRA.pack(1, 24, member.size, member.size, position)
    fixed = (_VERSION, _VERSION, 0, 0, _TIME, _DATE, member.crc, _MOST, _MOST, len(name), len(extra))
    return _CENTRAL.pack(b"PK\x01\x02", *fixed, 0, 0, 0, 0, _MOST) + name + extra


def _end(count: int, size: int, position: int) -> bytes:
    """ZIP64 end record, its locator, and the classic end record for other readers."""
    here = position + size
    few = min(count, 0xFFFF)
    return (
        _END_64.pack(b"PK\x06\x06", _END_64.size - 12, _VERSION, _VERSION, 0, 0, count, count, size, position)
        + _LOCATOR.pack(b"PK\x06\x07", 0, here, 1)
        + _END.pack(b"PK\x05\x06", 0, 0, few, few, min(size, _MOST), min(position, _MOST), 0)
    )
