"""The DICOM JSON Model of a header (PS3.18 Annex F).

Choices the standard leaves open: IS and DS are numbers where they are well-formed, else the string
as sent; SV and UV beyond 2⁵³ are strings, as a JavaScript number would not hold them. Empty
attributes have no Value, an empty one among several is null. Group lengths are left out, text is
Unicode and Specific Character Set says so.

Recursion goes no deeper than `Limits.depth`, which the reader has enforced.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable, Iterable
from typing import Any

from pacs.dicom.charset import UTF_8
from pacs.dicom.dictionary import BINARY_VRS, PIXEL_DATA, SPECIFIC_CHARACTER_SET
from pacs.dicom.encoding import UNIT, swapped
from pacs.dicom.header import Element, Header
from pacs.dicom.values import Value

Path = tuple[int, ...]
"""From the data set down to an element: tag, or tag, item counted from 0, tag, …"""
Bulk = Callable[[Path, Element], str | None]
"""The URI of a value too big for JSON; None to leave the value out."""

BULK_THRESHOLD = 1024
"""Bytes of a value above which `Bulk` is asked."""
_MAY_BE_BULK = BINARY_VRS | frozenset(
    {"DS", "FD", "FL", "IS", "LT", "SL", "SS", "ST", "SV", "UC", "UL", "US", "UT", "UV"}
)
"""PS3.18 §F.2.6."""
_MALFORMED = 1 << 16
"""Bytes above which any other value is treated as bulk too, since no explicit VR could hold it."""
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_EXACT = 1 << 53


def no_bulk(path: Path, element: Element) -> None:
    """Leaves all bulk data out."""


def to_json(header: Header, bulk: Bulk = no_bulk, bulk_threshold: int = BULK_THRESHOLD) -> dict[str, Any]:
    """`bulk` is asked for each value longer than `bulk_threshold` bytes, and for pixel data of any length."""
    return _data_set(header, (), bulk, bulk_threshold)


def items_to_json(items: Iterable[Header]) -> list[dict[str, Any]]:
    """The items of a sequence without bulk data."""
    return [to_json(item) for item in items]


def _data_set(header: Header, path: Path, bulk: Bulk, threshold: int) -> dict[str, Any]:
    return {
        f"{element.tag:08X}": _attribute(header, element, (*path, element.tag), bulk, threshold)
        for element in sorted(header)
        if element.tag & 0xFFFF
    }


def _attribute(header: Header, element: Element, path: Path, bulk: Bulk, threshold: int) -> dict[str, Any]:
    tag, vr, _, length, _ = element
    attribute: dict[str, Any] = {"vr": vr}
    if vr == "SQ":
        items = [
            _data_set(item, (*path, number), bulk, threshold)
            for number, item in enumerate(header.each_item(tag))
        ]
        return attribute | {"Value": items} if items else attribute
    if length == 0:
        return attribute
    if tag in PIXEL_DATA or length > (threshold if vr in _MAY_BE_BULK else _MALFORMED):
        uri = bulk(path, element)
        return attribute if uri is None else attribute | {"BulkDataURI": uri}
    if vr in BINARY_VRS:
        return attribute | {"InlineBinary": b64encode(_little_endian(header, tag, vr)).decode("ascii")}
    values = _values(header, tag, vr)
    return attribute | {"Value": values} if values else attribute


def _values(header: Header, tag: int, vr: str) -> list[Any]:
    if tag == SPECIFIC_CHARACTER_SET:
        return [UTF_8]
    convert = _person_name if vr == "PN" else _scalar
    values = [convert(value) for value in header.values(tag)]
    return values if any(value is not None for value in values) else []


def _person_name(value: Value) -> dict[str, str] | None:
    groups = str(value).split("=", 2)
    return {name: group for name, group in zip(_GROUPS, groups, strict=False) if group} or None


def _scalar(value: Value) -> Value | None:
    if isinstance(value, str):
        return value or None
    if isinstance(value, int):
        return value if -_EXACT <= value <= _EXACT else str(value)
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "inf" if value > 0 else "-inf"


def _little_endian(header: Header, tag: int, vr: str) -> bytes:
    """Binary values are little endian in JSON (§F.2.7), whatever the transfer syntax."""
    raw = header.raw(tag) or b""
    return swapped(raw, UNIT[vr]) if header.big_endian and vr in UNIT else raw
