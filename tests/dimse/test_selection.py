"""An identifier is small, however it is encoded: a query is no place for a bomb."""

from __future__ import annotations

import struct
import zlib
from types import SimpleNamespace
from typing import Any

import pytest

from dimse.operation import MAX_IDENTIFIER
from dimse.selection import read_identifier
from pacs.errors import LimitExceeded

DEFLATED = "1.2.840.10008.1.2.1.99"
IMPLICIT = "1.2.840.10008.1.2"
LEVEL = struct.pack("<HH2sH", 8, 0x52, b"CS", 6) + b"STUDY "


def asked(identifier: bytes, transfer_syntax: str) -> Any:
    return SimpleNamespace(
        identifier=lambda: identifier, context=SimpleNamespace(transfer_syntax=transfer_syntax)
    )


def deflated(data: bytes) -> bytes:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    return squeeze.compress(data) + squeeze.flush()


def test_a_long_list_is_read() -> None:
    uids = b"\\".join(b"1.2.840.%055d" % number for number in range(10_000))
    key = struct.pack("<HH2sHI", 0x20, 0xD, b"UN", 0, len(uids)) + uids
    assert read_identifier(asked(deflated(LEVEL + key), DEFLATED)).text(0x00080052) == "STUDY"


@pytest.mark.parametrize("size", [17 * MAX_IDENTIFIER, 64 * MAX_IDENTIFIER])
def test_a_bomb_is_not_inflated(size: int) -> None:
    value = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, size) + bytes(size)
    with pytest.raises(LimitExceeded):
        read_identifier(asked(deflated(LEVEL + value), DEFLATED))


def test_a_million_keys_are_not_read() -> None:
    keys = b"".join(struct.pack("<HHI", 9, element & 0xFFFF, 0) for element in range(131_000))
    with pytest.raises(LimitExceeded):
        read_identifier(asked(keys, IMPLICIT))
