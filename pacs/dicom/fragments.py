"""Values of undefined length that are no sequences: encapsulated Pixel Data (PS3.5 §A.4)."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from struct import Struct

from pacs.dicom.dictionary import ITEM, SEQUENCE_DELIMITATION, UNDEFINED
from pacs.dicom.source import Source
from pacs.errors import LimitExceeded

_HEADER = (Struct("<HHL"), Struct(">HHL"))
_DELIMITER = (b"\xfe\xff\xdd\xe0", b"\xff\xfe\xe0\xdd")
_CHUNK = 1 << 20


@dataclass(slots=True)
class Fragments:
    """Offset and length of each item; the first item is the Basic Offset Table.

    `end`: where the value ends. `next`: where the next element begins, after the delimiter. `truncated`:
    the stream ends before the delimiter. No items: the value does not consist of items, only its end was
    found. `walked`: items looked at, which counts against the limit.
    """

    offsets: array[int] = field(default_factory=lambda: array("Q"))
    lengths: array[int] = field(default_factory=lambda: array("Q"))
    end: int = 0
    next: int = 0
    truncated: bool = False
    walked: int = 0


def walk_fragments(source: Source, start: int, end: int, big: bool, most: int) -> Fragments:
    """Follow the item headers from `start`; nothing from `end` on is read.

    `LimitExceeded` when there are more than `most`.
    """
    unpack = _HEADER[big].unpack
    found = Fragments()
    pos = start
    while pos + 8 <= end and len(header := source.read_at(pos, 8)) == 8:
        group, element, length = unpack(header)
        tag = group << 16 | element
        if tag == SEQUENCE_DELIMITATION:
            found.end, found.next = pos, pos + 8
            return found
        if tag != ITEM or length == UNDEFINED:
            return _scan(source, start, end, big, walked=len(found.offsets))
        found.truncated = pos + 8 + length > end
        found.offsets.append(pos + 8)
        found.lengths.append(min(length, end - pos - 8))
        found.walked += 1
        if found.walked > most:
            raise LimitExceeded("the pixel data has too many fragments")
        pos += 8 + length
    found.end = found.next = end
    found.truncated = True
    return found


def _scan(source: Source, start: int, end: int, big: bool, walked: int) -> Fragments:
    """Search for the delimiter's bytes. A last resort, since they may also occur inside the value."""
    wanted = _DELIMITER[big]
    pos = start
    while pos < end:
        chunk = source.read_at(pos, min(_CHUNK, end - pos))
        at = chunk.find(wanted)
        if at >= 0:
            return Fragments(end=pos + at, next=min(pos + at + 8, end), walked=walked)
        if len(chunk) < _CHUNK:
            break
        pos += len(chunk) - 3
    return Fragments(end=end, next=end, truncated=True, walked=walked)
