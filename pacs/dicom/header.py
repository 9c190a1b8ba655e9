"""A data set, or one item of a sequence: a view of the element listing that decodes values on demand."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from math import isfinite
from struct import Struct
from typing import NamedTuple

from pacs.dicom.dictionary import PIXEL_DATA, SPECIFIC_CHARACTER_SET, SQ, TEXT_VRS, UNDEFINED, VRS, tag_of
from pacs.dicom.fragments import Fragments
from pacs.dicom.listing import Listing
from pacs.dicom.source import Source
from pacs.dicom.values import NUMBERS, STRING_VRS, Value, numbers, parsed, strings, tags
from pacs.errors import LimitExceeded

MOST_DECODED = 16 << 20
"""The longest value, in bytes, that is decoded to text or numbers. Read longer ones with `Source.read_at`."""
_LENGTH = Struct("<L"), Struct(">L")
_PIXEL_REPRESENTATION = 0x00280103
_LUT_DESCRIPTOR = 0x00283002


class Element(NamedTuple):
    """Where an element's value is. `length` is its actual length, also for undefined lengths."""

    tag: int
    vr: str
    offset: int
    length: int
    encapsulated: bool


class Header:
    """Supports `tag in header`, iteration over the elements of this level, and values by tag or keyword.

    The source must stay open while values are read. If a tag occurs twice, the last element counts.
    """

    __slots__ = ("_big", "_charsets", "_entries", "_listing", "_parent", "transfer_syntax")

    def __init__(
        self,
        listing: Listing,
        entries: dict[int, int],
        big: bool,
        transfer_syntax: str,
        parent: Header | None,
    ) -> None:
        self._listing = listing
        self._entries = entries
        self._big = big
        self._parent = parent
        self._charsets: tuple[str, ...] | None = None
        self.transfer_syntax = transfer_syntax

    @property
    def source(self) -> Source:
        """What offsets refer to: the inflated stream for a deflated transfer syntax."""
        return self._listing.source

    @property
    def truncated(self) -> bool:
        """The stream ended inside an element, or before a delimiter."""
        return self._listing.truncated

    @property
    def cut_in_pixel_data(self) -> bool:
        """The stream ended before as many bytes of the pixel data, or of its last fragment, as were declared.

        False for a value that is whole but too short for the image, and where only a delimiter is missing.
        """
        element = self.pixel_data
        if element is None or not self.truncated:
            return False
        fragments = self.fragments(element.tag)
        offset, length = element.offset, element.length
        if fragments is not None and fragments.offsets:
            offset, length = fragments.offsets[-1], fragments.lengths[-1]
        (declared,) = _LENGTH[self._big].unpack(self.source.read_at(offset - 4, 4))
        return bool(length < declared < UNDEFINED)

    @property
    def extent(self) -> tuple[int, int]:
        """Of the whole data set: the number of elements and items, and its bytes without long values."""
        return len(self._listing.keys), self._listing.walked

    @property
    def charsets(self) -> tuple[str, ...]:
        """Specific Character Set: this data set's, else that of the one around it (PS3.5 §7.5.3)."""
        if self._charsets is None:
            raw = self.raw(SPECIFIC_CHARACTER_SET)
            if raw is not None:
                text = raw.decode("latin-1").strip(" \0")
                self._charsets = tuple(term.strip(" \0") for term in text.split("\\")) if text else ()
            else:
                self._charsets = self._parent.charsets if self._parent else ()
        return self._charsets

    @property
    def big_endian(self) -> bool:
        return self._big

    @property
    def pixel_data(self) -> Element | None:
        """Pixel Data, Float Pixel Data or Double Float Pixel Data of this level."""
        return next((self.element(tag) for tag in PIXEL_DATA if tag in self._entries), None)

    def fragments(self, tag: int) -> Fragments | None:
        """The items of an encapsulated value."""
        entry = self._entries.get(tag)
        return None if entry is None else self._listing.fragments.get(entry)

    def __contains__(self, attribute: object) -> bool:
        return isinstance(attribute, int | str) and tag_of(attribute) in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Element]:
        """In the order of the stream."""
        return (self._element(tag, entry) for tag, entry in self._entries.items())

    def element(self, attribute: int | str) -> Element | None:
        tag = tag_of(attribute)
        entry = self._entries.get(tag)
        return None if entry is None else self._element(tag, entry)

    def raw(self, attribute: int | str) -> bytes | None:
        """The value field as stored; None when the element is absent."""
        entry = self._entries.get(tag_of(attribute))
        if entry is None:
            return None
        return self._listing.read(self._listing.offsets[entry], self._listing.lengths[entry])

    def text(self, attribute: int | str) -> str | None:
        """All values joined by backslashes, without padding; numbers in decimal, AT in hexadecimal.

        None when the element is absent, a sequence or binary.
        """
        tag = tag_of(attribute)
        entry = self._entries.get(tag)
        if entry is None:
            return None
        vr = self._vr(tag, entry)
        if vr not in STRING_VRS and vr not in NUMBERS and vr != "AT":
            return None
        raw = self._bounded(entry)
        joined = _remembered if len(raw) <= _SHORT else _joined
        return joined(raw, vr, self.charsets if vr in TEXT_VRS else (), self._big)

    def trimmed(self, attribute: int | str) -> str:
        """`text` without surrounding white space; empty where that is None."""
        return (self.text(attribute) or "").strip()

    def values(self, attribute: int | str) -> list[Value]:
        """The values, numbers as numbers; `[]` when absent, empty, binary or a sequence."""
        tag = tag_of(attribute)
        entry = self._entries.get(tag)
        if entry is None:
            return []
        vr = self._vr(tag, entry)
        if vr not in STRING_VRS and vr not in NUMBERS and vr != "AT":
            return []
        return parsed(self._bounded(entry), vr, self.charsets, self._big)

    def integer(self, attribute: int | str, default: int) -> int:
        """The first value if it is an integer, else `default`."""
        values = self.values(attribute)
        return values[0] if values and isinstance(values[0], int) else default

    def number(self, attribute: int | str) -> float | None:
        """The first value if it is a finite number."""
        values = self.values(attribute)
        first = values[0] if values else None
        return float(first) if isinstance(first, int | float) and isfinite(first) else None

    def fields(self, most: int) -> Iterator[tuple[int, str, bytes | None]]:
        """Tag, VR and value field of each element in tag order; None for one longer than `most` bytes."""
        listing, entries = self._listing, self._entries
        offsets, lengths, keys, read = listing.offsets, listing.lengths, listing.keys, listing.read
        for tag in sorted(entries):
            entry = entries[tag]
            length = lengths[entry]
            vr = VRS[keys[entry] & 0xFF]
            raw = read(offsets[entry], length) if length <= most else None
            yield tag, vr if len(vr) == 2 else self._unambiguous(vr, entry), raw

    def items(self, attribute: int | str) -> list[Header]:
        """The items of a sequence; `[]` when absent or no sequence."""
        return list(self.each_item(attribute))

    def each_item(self, attribute: int | str) -> Iterator[Header]:
        """`items`, one at a time, for sequences that may be long."""
        return map(self._item, self._item_entries(attribute))

    def item(self, attribute: int | str, number: int) -> Header | None:
        """One item, counted from 0; None when there is no such item or no such sequence."""
        entry = next(islice(self._item_entries(attribute), number, None), None)
        return None if entry is None else self._item(entry)

    def _item_entries(self, attribute: int | str) -> Iterator[int]:
        entry = self._entries.get(tag_of(attribute))
        listing = self._listing
        if entry is None or listing.keys[entry] & 0xFF != SQ:
            return
        item, stop = entry + 1, listing.after(entry)
        while item < stop:
            yield item
            item = listing.after(item)

    def _item(self, entry: int) -> Header:
        listing = self._listing
        elements = index(listing, entry + 1, listing.after(entry))
        return Header(listing, elements, bool(listing.keys[entry] & 0xFF), self.transfer_syntax, self)

    def _bounded(self, entry: int) -> bytes:
        listing = self._listing
        length = listing.lengths[entry]
        if length > MOST_DECODED:
            raise LimitExceeded(f"a value of {length} bytes is too long to be decoded")
        return listing.read(listing.offsets[entry], length)

    def _element(self, tag: int, entry: int) -> Element:
        listing = self._listing
        offset, length = listing.offsets[entry], listing.lengths[entry]
        return Element(tag, self._vr(tag, entry), offset, length, entry in listing.fragments)

    def _vr(self, tag: int, entry: int) -> str:
        vr = VRS[self._listing.keys[entry] & 0xFF]
        return vr if len(vr) == 2 else self._unambiguous(vr, entry)

    def _unambiguous(self, vr: str, entry: int) -> str:
        """Resolve a VR that depends on other attributes (PS3.5 Annex A.1, PS3.3 §C.11.1.1)."""
        if vr == "OB or OW":
            return "OB" if entry in self._listing.fragments else "OW"
        if vr == "US or SS":
            return "SS" if self._signed() else "US"
        if vr == "US or OW":
            return "US" if self.values(_LUT_DESCRIPTOR)[:1] == [1] else "OW"
        return "OW"

    def _signed(self) -> bool:
        """Whether Pixel Representation, here or in the nearest enclosing data set, says signed."""
        level: Header | None = self
        while level is not None:
            if found := level.values(_PIXEL_REPRESENTATION):
                return found[0] == 1
            level = level._parent
        return False


def _joined(raw: bytes, vr: str, charsets: tuple[str, ...], big: bool) -> str:
    if vr in STRING_VRS:
        return "\\".join(strings(raw, vr, charsets))
    return "\\".join(map(str, tags(raw, big) if vr == "AT" else numbers(raw, vr, big)))


_SHORT = 64  # bytes
_remembered = lru_cache(maxsize=4096)(_joined)
"""Images of a series repeat most short values, so decoded ones are cached: at most some 2 MiB."""


def index(listing: Listing, first: int, stop: int) -> dict[int, int]:
    """Tag → entry of one level's elements among the entries from `first` to `stop`."""
    keys, width = listing.keys, listing.limits.width
    found: dict[int, int] = {}
    entry = first
    while entry < stop:
        if len(found) > width:
            raise LimitExceeded(f"one data set or item has more than {width} elements")
        key = keys[entry]
        found[key >> 8] = entry
        entry = entry + 1 if key & 0xFF != SQ else listing.after(entry)
    return found
