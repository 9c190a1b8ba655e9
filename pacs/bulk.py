"""One value of a stored data set by itself, as the BulkDataURI of its metadata names it.

Only the header is read to find it, and of the value only what is asked for. Its bytes are little
endian whatever the transfer syntax (PS3.18 §8.7.3.2); those of text are UTF-8, as the metadata says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pacs.dicom.dictionary import PIXEL_DATA, TEXT_VRS
from pacs.dicom.encoding import UNIT, swapped
from pacs.dicom.frames import Range
from pacs.dicom.header import MOST_DECODED, Element, Header
from pacs.dicom.image import number
from pacs.dicom.json import Path
from pacs.dicom.source import BytesSource, Source
from pacs.errors import Damaged, NotFound

PIECE = 256 * 1024  # divisible by every unit of byte order

_ENCAPSULATED_DOCUMENT = 0x00420011


@dataclass(frozen=True, slots=True)
class BulkValue:
    """The bytes of `ranges` of `source`, joined; numbers of `unit` bytes are to be swapped.

    `media_type`: what the data set says they are, empty when it says nothing.
    """

    source: Source
    ranges: tuple[Range, ...]
    unit: int = 0
    media_type: str = ""
    encapsulated: bool = False
    """It is in the encoding of the transfer syntax."""

    @property
    def size(self) -> int:
        return sum(length for _, length in self.ranges)

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """From `start` up to `stop`, reading no more than whole numbers around them."""
        position = 0
        for offset, length in self.ranges:
            first, last = max(start - position, 0), min(stop - position, length)
            if first < last:
                yield from self._range(offset, length, first, last)
            position += length

    def _range(self, offset: int, length: int, first: int, last: int) -> Iterator[bytes]:
        unit = self.unit or 1
        aligned, end = first - first % unit, min(-(-last // unit) * unit, length)
        for at in range(aligned, end, PIECE):
            size = min(PIECE, end - at)
            data = self.source.read_at(offset + at, size)
            if len(data) != size:
                raise Damaged("a stored object ends within a value")
            if self.unit:
                data = swapped(data, self.unit)
            yield data[max(first - at, 0) : last - at]


def bulk_value(header: Header, path: Path) -> BulkValue:
    """`NotFound` when no value lies there: no such element, an empty one, or a sequence."""
    level = _level(header, path)
    element = level.element(path[-1])
    if element is None or element.vr == "SQ" or not element.length:
        raise NotFound
    if element.vr in TEXT_VRS and element.length <= MOST_DECODED:
        text = "\\".join(map(str, level.values(element.tag))).encode()
        return BulkValue(BytesSource(text), ((0, len(text)),))
    if element.encapsulated:
        return BulkValue(level.source, _fragments(level, element), encapsulated=True)
    length = _length(level, element)
    return BulkValue(
        level.source, ((element.offset, length),), swap(level, element), _media_type(level, element)
    )


def _level(header: Header, path: Path) -> Header:
    level: Header | None = header
    for tag, item in zip(path[:-1:2], path[1::2], strict=True):
        level = level.item(tag, item) if level is not None else None
    if level is None:
        raise NotFound
    return level


def _fragments(level: Header, element: Element) -> tuple[Range, ...]:
    """All fragments; the Basic Offset Table in front of them is none."""
    found = level.fragments(element.tag)
    if found is None or not found.offsets:
        return ((element.offset, element.length),)
    return tuple(zip(found.offsets[1:], found.lengths[1:], strict=True))


def _length(level: Header, element: Element) -> int:
    """Of a document without its padding, where the data set says how long that is."""
    if element.tag == _ENCAPSULATED_DOCUMENT:
        (length, *_) = level.values("EncapsulatedDocumentLength") or [0]
        if isinstance(length, int) and element.length - 1 <= length <= element.length:
            return length
    return element.length


def _media_type(level: Header, element: Element) -> str:
    if element.tag != _ENCAPSULATED_DOCUMENT:
        return ""
    return (level.text("MIMETypeOfEncapsulatedDocument") or "").strip().lower()


def swap(level: Header, element: Element) -> int:
    """Bytes of the numbers whose order is to be changed; 0 when there is nothing to change.

    Pixels wider than a word are numbers of their own, not pairs of words.
    """
    if not level.big_endian:
        return 0
    if element.tag in PIXEL_DATA and element.vr == "OW":
        allocated = number(level, "BitsAllocated", 16)
        if allocated in (32, 64):
            return allocated // 8
    return UNIT.get(element.vr, 0)
