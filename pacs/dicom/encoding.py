"""Writing data elements: how the uncompressed transfer syntaxes differ (PS3.5 §7, Annex A)."""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from pacs.dicom.dictionary import ITEM, ITEM_DELIMITATION, LONG_VRS, SEQUENCE_DELIMITATION, UNDEFINED
from pacs.dicom.transfer_syntaxes import DEFLATED_LITTLE, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE

LONG_FORM = frozenset(LONG_VRS)
"""Explicit VR: two reserved bytes and a 32-bit length (PS3.5 §7.1.2)."""
MAX_SHORT = 0xFFFF

_SWAPPED = {2: ("US", "SS", "OW", "AT"), 4: ("UL", "SL", "FL", "OF", "OL"), 8: ("FD", "OD", "SV", "UV", "OV")}
UNIT: dict[str, int] = {vr: size for size, vrs in _SWAPPED.items() for vr in vrs}
"""VR → size of the numbers that byte order applies to (PS3.5 §7.3); other VRs have no byte order."""
_NULL_PADDED = frozenset({"UI", "OB", "OD", "OF", "OL", "OV", "OW", "UN"})


@dataclass(frozen=True, slots=True)
class Encoding:
    explicit: bool = True
    big: bool = False
    deflated: bool = False

    @property
    def order(self) -> str:
        """The prefix of a `struct` format."""
        return ">" if self.big else "<"

    def header(self, tag: int, vr: str, length: int) -> bytes:
        """Tag, VR and length. In explicit VR a value too long for its VR becomes UN (§6.2.2)."""
        group, element = tag >> 16, tag & 0xFFFF
        if not self.explicit:
            return struct.pack("<HHL", group, element, length)
        if vr not in LONG_FORM and length <= MAX_SHORT:
            return struct.pack(f"{self.order}HH2sH", group, element, vr.encode(), length)
        code = vr if vr in LONG_FORM else "UN"
        return struct.pack(f"{self.order}HH2sxxL", group, element, code.encode(), length)

    def element(self, tag: int, vr: str, value: bytes) -> bytes:
        """A whole element. A value of odd length is padded as its VR requires (PS3.5 §6.2)."""
        value += padding(vr, len(value))
        return self.header(tag, vr, len(value)) + value

    def delimiter(self, tag: int, length: int = 0) -> bytes:
        """An item's start or a delimiter, which have no VR in any encoding (§7.5)."""
        return struct.pack(f"{self.order}HHL", tag >> 16, tag & 0xFFFF, length)

    def sequence(self, tag: int, items: Collection[bytes]) -> bytes:
        """A sequence of undefined length with these encoded items."""
        opened = self.delimiter(ITEM, UNDEFINED)
        closed = self.delimiter(ITEM_DELIMITATION)
        content = b"".join(part for item in items for part in (opened, item, closed))
        return self.header(tag, "SQ", UNDEFINED) + content + self.delimiter(SEQUENCE_DELIMITATION)


UNCOMPRESSED: dict[str, Encoding] = {
    EXPLICIT_LITTLE: Encoding(),
    IMPLICIT_LITTLE: Encoding(explicit=False),
    DEFLATED_LITTLE: Encoding(deflated=True),
    EXPLICIT_BIG: Encoding(big=True),
}
"""The transfer syntaxes that need no codec, the preferred target of a conversion first."""


def encoding_of(transfer_syntax: str) -> Encoding:
    """Compressed and private transfer syntaxes are Explicit VR Little Endian, pixel data apart (§A.4)."""
    return UNCOMPRESSED.get(transfer_syntax, Encoding())


def padding(vr: str, length: int) -> bytes:
    if length % 2 == 0:
        return b""
    return b"\0" if vr in _NULL_PADDED else b" "


_CODES = {2: "H", 4: "I", 8: "Q"}


def swapped(data: bytes, unit: int) -> bytes:
    """`data` in the other byte order; an incomplete last number is left unchanged."""
    whole = len(data) - len(data) % unit
    numbers = array(_CODES[unit], data[:whole])
    numbers.byteswap()
    return numbers.tobytes() + data[whole:]


def deflated(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Raw deflate, padded to an even length (PS3.5 §A.5), in pieces of even lengths (PS3.8 §E.1)."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    rest = b""
    for piece in pieces:
        rest += deflater.compress(piece)
        even = len(rest) & ~1
        if even:
            yield rest[:even]
            rest = rest[even:]
    rest += deflater.flush()
    yield rest + bytes(len(rest) % 2)
