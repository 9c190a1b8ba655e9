"""A single value of a stored data set, the one that a BulkDataURI names.

Only the header is read to find the value, and of the value only the range asked for. Numbers are little
endian whatever the transfer syntax (PS3.18 §8.7.3.3.1); text is UTF-8, as in the metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pacs.dicom.dictionary import PIXEL_DATA, TEXT_VRS
from pacs.dicom.encoding import UNIT, swapped
from pacs.dicom.frames import Range
from pacs.dicom.header import MOST_DECODED, Element, Header
from pacs.dicom.json import Path
from pacs.dicom.source import BytesSource, Source
from pacs.errors import Damaged, NotFound

PIECE = 256 * 1024  # divisible by every unit of byte order

_ENCAPSULATED_DOCUMENT = 0x00420011


@dataclass(frozen=True, slots=True)
class BulkValue:
    """The concatenated `ranges` of `source`.

    `unit`: size of the numbers whose byte order must be swapped, else 0. `media_type`: what the data set
    says the bytes are, empty when it does not say.
    """

    source: Source
    ranges: tuple[Range, ...]
    unit: int = 0
    media_type: str = ""
    encapsulated: bool = False
    """The bytes are compressed as the transfer syntax says."""

    @property
    def size(self) -> int:
        return sum(length for _, length in self.ranges)

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` to `stop`. Reads are widened to whole numbers, nothing more."""
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
                raise Damaged("a stored object ends in the middle of a value")
            if self.unit:
                data = swapped(data, self.unit)
            yield data[max(first - at, 0) : last - at]


def bulk_value(header: Header, path: Path) -> BulkValue:
    """`NotFound` when `path` leads to no value: the element is absent, empty or a sequence."""
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
        level.source, ((element.offset, length),), swap_unit(level, element), _media_type(level, element)
    )


def _level(header: Header, path: Path) -> Header:
    level: Header | None = header
    for tag, item in zip(path[:-1:2], path[1::2], strict=True):
        level = level.item(tag, item) if level is not None else None
    if level is None:
        raise NotFound
    return level


def _fragments(level: Header, element: Element) -> tuple[Range, ...]:
    """All fragments, without the Basic Offset Table that precedes them."""
    found = level.fragments(element.tag)
    if found is None or not found.offsets:
        return ((element.offset, element.length),)
    return tuple(zip(found.offsets[1:], found.lengths[1:], strict=True))


def _length(level: Header, element: Element) -> int:
    """The value's length; of a document without its padding, if Encapsulated Document Length is given."""
    if element.tag == _ENCAPSULATED_DOCUMENT:
        (length, *_) = level.values("EncapsulatedDocumentLength") or [0]
        if isinstance(length, int) and element.length - 1 <= length <= element.length:
            return length
    return element.length


def _media_type(level: Header, element: Element) -> str:
    if element.tag != _ENCAPSULATED_DOCUMENT:
        return ""
    return level.trimmed("MIMETypeOfEncapsulatedDocument").lower()


def swap_unit(level: Header, element: Element) -> int:
    """Bytes of each number whose byte order must be swapped; 0 when nothing must be.

    Pixels wider than 16 bits are swapped as whole numbers, not as pairs of words.
    """
    if not level.big_endian:
        return 0
    if element.tag in PIXEL_DATA and element.vr == "OW":
        allocated = level.integer("BitsAllocated", 16)
        if allocated in (32, 64):
            return allocated // 8
    return UNIT.get(element.vr, 0)
