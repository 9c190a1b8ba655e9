"""Writing small data sets, such as identifiers and responses (PS3.5 §7)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any

from pacs.dicom.charset import encode
from pacs.dicom.dictionary import TEXT_VRS
from pacs.dicom.encoding import Encoding, deflated, encoding_of
from pacs.dicom.values import NUMBERS

WriteElement = tuple[int, str, Any]
"""Tag, VR, value. A value is text (several values joined by backslashes), raw bytes, a number, a list of
texts or numbers, or None for empty; for SQ a list of items, each an iterable of elements."""


def encode_dataset(
    elements: Iterable[WriteElement], transfer_syntax: str, charsets: Sequence[str] = ()
) -> bytes:
    """The data set's bytes, in order of tags.

    `charsets`: how text is encoded; the caller adds Specific Character Set. `UnicodeEncodeError` when it
    does not suffice, `ValueError` for a number that its VR cannot hold.
    """
    encoding = encoding_of(transfer_syntax)
    data = _data_set(elements, encoding, tuple(charsets))
    return b"".join(deflated((data,))) if encoding.deflated else data


def _data_set(elements: Iterable[WriteElement], encoding: Encoding, charsets: tuple[str, ...]) -> bytes:
    return b"".join(
        _element(tag, vr, value, encoding, charsets)
        for tag, vr, value in sorted(elements, key=lambda element: element[0])
    )


def _element(tag: int, vr: str, value: Any, encoding: Encoding, charsets: tuple[str, ...]) -> bytes:
    if vr == "SQ":
        return encoding.sequence(tag, [_data_set(item, encoding, charsets) for item in value or ()])
    if isinstance(value, bytes):
        return encoding.element(tag, vr, value)
    values = value if isinstance(value, list | tuple) else [] if value is None else [value]
    try:
        return encoding.element(tag, vr, _field(values, vr, encoding.order, charsets))
    except struct.error as error:
        raise ValueError(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {vr}: {error}") from None


def _field(values: Sequence[Any], vr: str, order: str, charsets: tuple[str, ...]) -> bytes:
    if vr in NUMBERS:
        parse = float if vr in ("FD", "FL") else int
        numbers = [parse(part) for value in values for part in _parts(value)]
        return struct.pack(f"{order}{len(numbers)}{NUMBERS[vr]}", *numbers)
    if vr == "AT":
        parts = [part for value in values for part in _parts(value)]
        tags = [part if isinstance(part, int) else int(part, 16) for part in parts]
        return b"".join(struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF) for tag in tags)
    text = "\\".join(map(str, values))
    return encode(text, charsets, vr) if vr in TEXT_VRS else text.encode("ascii")


def _parts(value: Any) -> list[Any]:
    """The index holds numbers as text, several joined by backslashes."""
    return [part for part in value.split("\\") if part.strip()] if isinstance(value, str) else [value]
