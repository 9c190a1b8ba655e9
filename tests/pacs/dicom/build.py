"""Data sets by hand, byte for byte, for what no library writes."""

from __future__ import annotations

import struct

IMPLICIT, EXPLICIT, BIG, DEFLATED = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
)
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


def short(tag: int, vr: str, value: bytes = b"", length: int | None = None, order: str = "<") -> bytes:
    size = len(value) if length is None else length
    return struct.pack(order + "HH2sH", tag >> 16, tag & 0xFFFF, vr.encode("latin-1"), size) + value


def long(tag: int, vr: str, value: bytes = b"", length: int | None = None, order: str = "<") -> bytes:
    size = len(value) if length is None else length
    return struct.pack(order + "HH2sxxL", tag >> 16, tag & 0xFFFF, vr.encode("latin-1"), size) + value


def bare(tag: int, value: bytes = b"", length: int | None = None, order: str = "<") -> bytes:
    """An implicit VR element, an item or a delimiter."""
    size = len(value) if length is None else length
    return struct.pack(order + "HHL", tag >> 16, tag & 0xFFFF, size) + value


CLASS = short(0x00080016, "UI", b"1.2\0")
NAME = short(0x00100010, "PN", b"Doe^Jane")
BARE_CLASS = bare(0x00080016, b"1.2\0")


def nested(depth: int, explicit: bool, undefined: bool) -> bytes:
    """Content Sequences, each in the only item of the one around it."""

    def header(length: int) -> bytes:
        return long(0x0040A730, "SQ", length=length) if explicit else bare(0x0040A730, length=length)

    if undefined:
        opening = (header(UNDEFINED) + bare(ITEM, length=UNDEFINED)) * depth
        return opening + (bare(ITEM_END) + bare(SEQUENCE_END)) * depth
    parts, size = [], 0
    for _ in range(depth):
        parts.append(header(size + 8) + bare(ITEM, length=size))
        size += len(parts[-1])
    return b"".join(reversed(parts))
