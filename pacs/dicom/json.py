"""The DICOM JSON Model of a header (PS3.18 Annex F).

Choices that the standard leaves open (§F.2.3, note 2): a DS is the string that was sent, since a number
might lose digits; an IS is a number if well-formed, else a string; SV and UV beyond 2⁵³ are strings, since
JavaScript numbers are not exact there. Empty attributes have no Value; an empty value among several is
null. Group lengths are left out. Text is Unicode, and Specific Character Set says so.

The text is written directly, attribute by attribute, without building a tree of objects. Images of a
series repeat most of their short attributes, so those are cached in their written form.

Recursion goes no deeper than `Limits.depth`, which the reader has enforced.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import orjson

from pacs.dicom.charset import UTF_8
from pacs.dicom.dictionary import BINARY_VRS, PIXEL_DATA, SPECIFIC_CHARACTER_SET, TEXT_VRS
from pacs.dicom.encoding import UNIT, swapped
from pacs.dicom.header import Element, Header
from pacs.dicom.person_name import to_groups
from pacs.dicom.values import Value, parsed, strings

Path = tuple[int, ...]
"""From the data set down to an element: tag, or tag, item counted from 0, tag, …"""
Bulk = Callable[[Path, Element], str | None]
"""Gives the URI of a value too large for JSON, or None to leave the value out."""
BulkText = Callable[[Path, Element], bytes | None]
"""The same, as a quoted JSON string."""

BULK_THRESHOLD = 1024
"""Bytes of a binary value above which `Bulk` is asked."""
_LONG = 1 << 16
"""The same for text, numbers and lookup tables, which viewers expect inline: the text of a report, a
contour, a lookup table."""
_LOOKUP_TABLES = frozenset({0x00283006, *range(0x00281201, 0x00281205), *range(0x00281221, 0x00281224)})
_REMEMBERED = 64
"""The longest value, in bytes, whose written form is cached."""
_EXACT = 1 << 53


def no_bulk(path: Path, element: Element) -> None:
    """A `Bulk` that leaves out all bulk data."""


def to_json(header: Header, bulk: Bulk = no_bulk, bulk_threshold: int = BULK_THRESHOLD) -> dict[str, Any]:
    """`bulk` is called for pixel data of any length, for binary values longer than `bulk_threshold` bytes,
    and for other values longer than both that and 64 KiB.
    """

    def text(path: Path, element: Element) -> bytes | None:
        uri = bulk(path, element)
        return None if uri is None else orjson.dumps(uri)

    found: dict[str, Any] = orjson.loads(json_text(header, text, bulk_threshold))
    return found


def items_to_json(items: Iterable[Header]) -> list[dict[str, Any]]:
    """The items of a sequence without bulk data."""
    return [to_json(item) for item in items]


def json_text(header: Header, bulk: BulkText = no_bulk, bulk_threshold: int = BULK_THRESHOLD) -> bytes:
    """The same as `to_json`, as UTF-8 text."""
    return _Writing(bulk, bulk_threshold).data_set(header, ())


class _Writing:
    def __init__(self, bulk: BulkText, threshold: int) -> None:
        self._bulk = bulk
        self._threshold = threshold
        self._remembered = min(_REMEMBERED, threshold)

    def data_set(self, header: Header, path: Path) -> bytes:
        charsets, big = header.charsets, header.big_endian
        most, written = self._remembered, []
        for tag, vr, raw in header.fields(most):
            if raw is None or vr == "SQ" or tag in PIXEL_DATA:
                written.append(self._long(header, tag, (*path, tag)))
            elif tag & 0xFFFF:
                written.append(_remembered(tag, vr, raw, charsets if vr in TEXT_VRS else (), big))
        return b"{%b}" % b",".join(written)

    def _long(self, header: Header, tag: int, path: Path) -> bytes:
        element = header.element(tag)
        assert element is not None
        vr, length = element.vr, element.length
        if vr == "SQ":
            items = [
                self.data_set(item, (*path, number)) for number, item in enumerate(header.each_item(tag))
            ]
            return _attribute(tag, vr, b',"Value":[%b]' % b",".join(items) if items else b"")
        if length and (tag in PIXEL_DATA or length > self._most(tag, vr)):
            uri = self._bulk(path, element)
            return _attribute(tag, vr, b"" if uri is None else b',"BulkDataURI":%b' % uri)
        return _short(tag, vr, header.raw(tag) or b"", header.charsets, header.big_endian)

    def _most(self, tag: int, vr: str) -> int:
        inline = vr not in BINARY_VRS or tag in _LOOKUP_TABLES
        return max(self._threshold, _LONG) if inline else self._threshold


def _attribute(tag: int, vr: str, value: bytes) -> bytes:
    return b'"%08X":{"vr":"%b"%b}' % (tag, vr.encode(), value)


def _short(tag: int, vr: str, raw: bytes, charsets: tuple[str, ...], big: bool) -> bytes:
    """An attribute that is not a sequence and whose value is inline."""
    if not raw:
        return _attribute(tag, vr, b"")
    if vr in BINARY_VRS:
        little = swapped(raw, UNIT[vr]) if big and vr in UNIT else raw  # §F.2.7
        return _attribute(tag, vr, b',"InlineBinary":"%b"' % b64encode(little))
    values = _values(tag, vr, raw, charsets, big)
    return _attribute(tag, vr, b',"Value":%b' % orjson.dumps(values) if values else b"")


_remembered = lru_cache(maxsize=8192)(_short)
"""At most some 4 MiB."""


def _values(tag: int, vr: str, raw: bytes, charsets: tuple[str, ...], big: bool) -> list[Any]:
    if tag == SPECIFIC_CHARACTER_SET:
        return [UTF_8]
    values: list[Any]
    if vr == "PN":
        values = [to_groups(name) for name in strings(raw, vr, charsets)]
    else:
        found = strings(raw, vr, charsets) if vr == "DS" else parsed(raw, vr, charsets, big)
        values = [_scalar(value) for value in found]
    return values if any(value is not None for value in values) else []


def _scalar(value: Value) -> Value | None:
    if isinstance(value, str):
        return value or None
    if isinstance(value, int):
        return value if -_EXACT <= value <= _EXACT else str(value)
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "inf" if value > 0 else "-inf"
