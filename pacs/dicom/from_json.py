"""From the DICOM JSON Model (PS3.18 Annex F) to bytes: Explicit VR Little Endian, text in UTF-8.

The JSON comes from a peer, so every structure is checked and nesting is bounded. Anything wrong raises
`InvalidDataSet`, whose message names the tag but never a value. Bulk data passes through in pieces.
"""

from __future__ import annotations

import binascii
import math
import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydicom.valuerep import format_number_as_ds

from pacs.dicom.charset import UTF_8
from pacs.dicom.dictionary import (
    BINARY_VRS,
    ITEM,
    ITEM_DELIMITATION,
    LONG_VRS,
    SEQUENCE_DELIMITATION,
    SHORT_VRS,
    SPECIFIC_CHARACTER_SET,
    UNDEFINED,
)
from pacs.dicom.encoding import Encoding, padding
from pacs.dicom.limits import DEFAULT, Limits
from pacs.dicom.person_name import from_groups
from pacs.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from pacs.dicom.writer import encode_dataset
from pacs.errors import InvalidDataSet, LimitExceeded

DataSet = Mapping[str, Any]

PIXEL_DATA = "7FE00010"
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_VRS = frozenset(SHORT_VRS + LONG_VRS)
_ENCODING = Encoding()
_FILE_META = 0x0002
_NEVER = frozenset({0x0000, 0xFFFE})
"""Groups of commands and of delimiters, which would not be read as attributes."""
_ONE_OF = ("Value", "BulkDataURI", "InlineBinary")
_MAX_LENGTH = UNDEFINED - 1


class Payload(Protocol):
    """Bulk data: a value kept outside the JSON, in little endian byte order."""

    @property
    def size(self) -> int: ...

    def chunks(self) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class InMemory:
    """A `Payload` in memory."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def chunks(self) -> Iterator[bytes]:
        yield self.data


Find = Callable[[str], Payload]
"""The value that a BulkDataURI refers to. Raises `InvalidDataSet` when there is none."""


def no_bulk(uri: str) -> Payload:
    raise InvalidDataSet("bulk data that the metadata refers to is missing")


def encode_json(
    data_set: DataSet,
    find: Find = no_bulk,
    frames: Sequence[Payload] | None = None,
    limits: Limits = DEFAULT,
) -> Iterator[bytes]:
    """The data set's bytes in pieces; file meta information and group lengths are left out.

    `frames`: compressed frames, each of which becomes one fragment of encapsulated Pixel Data (PS3.5 §A.4).
    Without them Pixel Data is written like any other value.
    """
    own = {SPECIFIC_CHARACTER_SET: {"vr": "CS", "Value": [UTF_8]}}
    yield from _Writing(find, frames, limits).data_set(data_set, own, 0)


class _Writing:
    def __init__(self, find: Find, frames: Sequence[Payload] | None, limits: Limits) -> None:
        self._find = find
        self._frames = frames
        self._depth = limits.depth

    def data_set(self, data_set: Any, own: Mapping[int, Any], depth: int) -> Iterator[bytes]:
        if depth > self._depth:
            raise LimitExceeded(f"sequences are nested more than {self._depth} deep")
        if not isinstance(data_set, Mapping):
            raise InvalidDataSet("a data set is not a JSON object")
        attributes = {_tag(key): value for key, value in data_set.items()}
        for tag, attribute in sorted({**attributes, **own}.items()):
            if tag >> 16 != _FILE_META and tag & 0xFFFF and (depth == 0 or tag != SPECIFIC_CHARACTER_SET):
                yield from self._attribute(tag, attribute, depth)

    def _attribute(self, tag: int, attribute: Any, depth: int) -> Iterator[bytes]:
        vr = attribute.get("vr") if isinstance(attribute, Mapping) else None
        if not isinstance(vr, str) or vr not in _VRS:
            raise _invalid(tag, "has no valid Value Representation (vr)")
        if tag >> 16 in _NEVER:
            raise _invalid(tag, "is no attribute of a data set")
        if sum(bool(attribute.get(each)) for each in _ONE_OF) > 1:
            raise _invalid(tag, "has more than one value")
        if self._frames is not None and depth == 0 and tag == int(PIXEL_DATA, 16):
            yield from _encapsulated(tag, self._frames)
        elif "BulkDataURI" in attribute:
            yield from self._bulk(tag, vr, attribute["BulkDataURI"])
        elif "InlineBinary" in attribute:
            yield _ENCODING.element(tag, vr, _binary(tag, attribute["InlineBinary"]))
        elif vr == "SQ":
            yield from self._sequence(tag, _list(tag, attribute), depth)
        else:
            yield _encoded(tag, vr, _list(tag, attribute))

    def _bulk(self, tag: int, vr: str, uri: Any) -> Iterator[bytes]:
        if not isinstance(uri, str):
            raise _invalid(tag, "has a BulkDataURI that is not a string")
        payload = self._find(uri)
        pad = padding(vr, payload.size)
        if payload.size + len(pad) > _MAX_LENGTH:
            raise LimitExceeded("a value is too long for a 32-bit length field")
        yield _ENCODING.header(tag, vr, payload.size + len(pad))
        yield from payload.chunks()
        yield pad

    def _sequence(self, tag: int, items: Sequence[Any], depth: int) -> Iterator[bytes]:
        yield _ENCODING.header(tag, "SQ", UNDEFINED)
        for item in items:
            yield _ENCODING.delimiter(ITEM, UNDEFINED)
            yield from self.data_set(item or {}, {}, depth + 1)
            yield _ENCODING.delimiter(ITEM_DELIMITATION)
        yield _ENCODING.delimiter(SEQUENCE_DELIMITATION)


def _encapsulated(tag: int, frames: Sequence[Payload]) -> Iterator[bytes]:
    """An empty Basic Offset Table, then one fragment for each frame."""
    yield _ENCODING.header(tag, "OB", UNDEFINED)
    yield _ENCODING.delimiter(ITEM)
    for frame in frames:
        pad = padding("OB", frame.size)
        if frame.size + len(pad) > _MAX_LENGTH:
            raise LimitExceeded("a frame is too long for a 32-bit length field")
        yield _ENCODING.delimiter(ITEM, frame.size + len(pad))
        yield from frame.chunks()
        yield pad
    yield _ENCODING.delimiter(SEQUENCE_DELIMITATION)


def _encoded(tag: int, vr: str, values: Sequence[Any]) -> bytes:
    try:
        texts = [_plain(vr, value) for value in values]
        return encode_dataset([(tag, vr, texts)], EXPLICIT_LITTLE, (UTF_8,))
    except (ValueError, TypeError, OverflowError) as error:
        raise _invalid(tag, f"has a value that is not a valid {vr}") from error


def _plain(vr: str, value: Any) -> str | int | float:
    """One value in the form that the writer takes. `ValueError` when the VR does not allow it."""
    if vr in BINARY_VRS:
        raise ValueError
    if value is None:
        return ""
    if vr == "PN" and isinstance(value, Mapping):
        return from_groups(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError
    if isinstance(value, float) and vr in ("DS", "IS", "SV", "UV", "SL", "SS", "UL", "US"):
        return _number(vr, value)
    return value


def _number(vr: str, value: float) -> str | int:
    """JSON does not distinguish integers from floats: an integer may arrive as 1.0."""
    if vr == "DS":
        return str(format_number_as_ds(value))
    if not math.isfinite(value) or value != int(value):
        raise ValueError
    return int(value)


def _list(tag: int, attribute: Mapping[str, Any]) -> Sequence[Any]:
    values = attribute.get("Value")
    if values is None:
        return ()
    if not isinstance(values, list):
        raise _invalid(tag, "has a Value that is not an array")
    return values


def _binary(tag: int, text: Any) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise _invalid(tag, "has an InlineBinary that is not base64") from error


def _tag(key: Any) -> int:
    if not isinstance(key, str) or not _TAG.fullmatch(key):
        raise InvalidDataSet("an attribute's name is not a tag of eight hexadecimal digits")
    return int(key, 16)


def _invalid(tag: int, fault: str) -> InvalidDataSet:
    return InvalidDataSet(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {fault}")
