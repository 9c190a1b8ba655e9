"""Lookup tables: descriptor and data (PS3.3 §C.11.1.1, §C.11.2.1.1, §C.7.6.3.1.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pacs.dicom.header import Header
from pacs.errors import NotConvertible

MOST_ENTRIES = 65536
_MOST_BYTES = 2 * MOST_ENTRIES


@dataclass(frozen=True, slots=True)
class Descriptor:
    """`first`: the input of the first entry; `bits` of each entry."""

    entries: int
    first: int
    bits: int


@dataclass(frozen=True, slots=True, eq=False)
class Lut:
    descriptor: Descriptor
    data: NDArray[np.uint16]

    def __call__(self, values: NDArray[Any]) -> NDArray[np.uint16]:
        """Inputs outside of the table get its first or last entry."""
        place = np.nan_to_num(np.clip(values - self.descriptor.first, 0, len(self.data) - 1))
        found: NDArray[np.uint16] = self.data[place.astype(np.intp)]
        return found


def lut(item: Header) -> Lut | None:
    """LUT Descriptor and LUT Data of an item; None when absent or unusable."""
    found = descriptor(item, "LUTDescriptor")
    if found is None:
        return None
    data = entries(item, "LUTData", found)
    return Lut(found, data) if len(data) else None


def descriptor(header: Header, attribute: int | str) -> Descriptor | None:
    """Decoded here, as its three values are partly signed under one VR. Zero entries mean 65536.

    Some senders write US where it has to be SS: then the table would end behind the greatest input.
    """
    raw = header.raw(attribute)
    if raw is None or len(raw) < 6:
        return None
    order = ">" if header.big_endian else "<"
    count, first, bits = (int(word) for word in np.frombuffer(raw, f"{order}u2", 3))
    count = count or MOST_ENTRIES
    element = header.element(attribute)
    is_signed = (element is not None and element.vr == "SS") or first + count > 1 << 16
    if is_signed and first >= 1 << 15:
        first -= 1 << 16
    return Descriptor(count, first, bits)


def entries(header: Header, attribute: int | str, described: Descriptor) -> NDArray[np.uint16]:
    """At most as many as described: one a word, or two a word when the data is only half as long."""
    element = header.element(attribute)
    if element is None:
        return np.empty(0, np.uint16)
    if element.length > _MOST_BYTES:
        raise NotConvertible("a lookup table has more than 65536 entries")
    raw = header.raw(attribute) or b""
    words = np.frombuffer(raw[: len(raw) & ~1], ">u2" if header.big_endian else "<u2")
    if described.bits <= 8 and len(raw) < 2 * described.entries:
        if header.big_endian and element.vr != "OB":
            words = words.byteswap()
        return np.frombuffer(words.tobytes(), "u1")[: described.entries].astype(np.uint16)
    return words[: described.entries].astype(np.uint16)
