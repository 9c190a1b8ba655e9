"""C-FIND answers as data sets (PS3.4 §C.4.1.1.3.2), encoded from the index's values.

One `AnswerEncoder` serves one request: what all its answers share is computed once, so that an answer
costs little more than a dictionary look-up for each attribute.
"""

from __future__ import annotations

import struct
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydicom.charset import python_encoding

from pacs.attributes import Attribute
from pacs.dicom import charset
from pacs.dicom.dictionary import SPECIFIC_CHARACTER_SET, TEXT_VRS
from pacs.dicom.encoding import LONG_FORM, MAX_SHORT, UNCOMPRESSED, Encoding, deflated, encoding_of, padding
from pacs.dicom.person_name import from_groups
from pacs.dicom.reader import Header
from pacs.dicom.writer import WriteElement, encode_dataset
from pacs.model import Values

QUERY_RETRIEVE_LEVEL = 0x00080052
RETRIEVE_AE_TITLE = 0x00080054
INSTANCE_AVAILABILITY = 0x00080056

_NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l"}
_UTF_8 = (charset.UTF_8,)

Charsets = tuple[str, ...]


def asked_charsets(identifier: Header) -> Charsets:
    """The request's Specific Character Set; empty when it has none, or an undefined one."""
    terms = identifier.charsets
    return terms if any(terms) and all(term in python_encoding for term in terms) else ()


class AnswerEncoder:
    """Encodes the values of one query's answers.

    `attributes` are returned, empty when there is no value; `fixed` are the same in every answer.
    Text is written in `charsets`, the requester's own, when they suffice, else in UTF-8; Specific
    Character Set says which when it was asked for or when it matters.
    """

    def __init__(
        self,
        transfer_syntax: str,
        attributes: Iterable[Attribute],
        fixed: Mapping[int, tuple[str, str]],
        charsets: Charsets | None,
    ) -> None:
        self._deflated = encoding_of(transfer_syntax).deflated
        self._encoding = replace(encoding_of(transfer_syntax), deflated=False)
        self._charsets = charsets or ()
        self._says_charset = charsets is not None
        entries: dict[int, _Entry] = {
            attribute.tag: _Entry(self._encoding, attribute) for attribute in attributes
        }
        constants = {
            tag: self._encoding.element(tag, vr, value.encode("ascii")) for tag, (vr, value) in fixed.items()
        }
        self._parts: list[_Entry | bytes] = [
            constants.get(tag) or entries[tag] for tag in sorted(constants.keys() | entries.keys())
        ]
        self._behind = sum(1 for tag in constants.keys() | entries.keys() if tag < SPECIFIC_CHARACTER_SET)

    def encode(self, values: Values) -> bytes:
        try:
            data = self._encode(values, self._charsets)
        except UnicodeEncodeError:
            data = self._encode(values, _UTF_8)
        return b"".join(deflated((data,))) if self._deflated else data

    def _encode(self, values: Values, charsets: Charsets) -> bytes:
        elements = [
            part if isinstance(part, bytes) else part.encode(values, charsets) for part in self._parts
        ]
        if self._says_charset or charsets is _UTF_8:
            said = "\\".join(charsets).encode("ascii")
            elements.insert(self._behind, self._encoding.element(SPECIFIC_CHARACTER_SET, "CS", said))
        return b"".join(elements)


class _Entry:
    """One attribute of every answer, with as much of its element as is known beforehand."""

    __slots__ = ("_attribute", "_empty", "_encoding", "_length", "_number", "_pad", "_prefix", "_vr")

    def __init__(self, encoding: Encoding, attribute: Attribute) -> None:
        self._encoding = encoding
        self._attribute = attribute
        self._vr = vr = attribute.vr
        self._empty = encoding.header(attribute.tag, vr, 0)
        short = encoding.explicit and vr not in LONG_FORM
        self._prefix = self._empty[: -2 if short else -4]
        self._length = struct.Struct(f"{encoding.order}{'H' if short else 'L'}").pack
        self._number = struct.Struct(encoding.order + _NUMBERS[vr]).pack if vr in _NUMBERS else None
        self._pad = padding(vr, 1)
        if vr == "SQ":
            self._empty = encoding.sequence(attribute.tag, ())

    def encode(self, values: Values, charsets: Charsets) -> bytes:
        value = values.get(self._attribute.keyword)
        if value is None or value == "":
            return self._empty
        if self._vr == "SQ":
            return self._sequence(value, charsets)
        text = value if isinstance(value, str) else str(value)
        if self._number is not None:
            try:
                raw = b"".join(self._number(int(part)) for part in text.split("\\"))
            except (ValueError, struct.error):
                return self._empty  # sent under another VR, it is not a value of this attribute's
        elif text.isascii():
            raw = text.encode("ascii")
        elif self._vr in TEXT_VRS:
            raw = charset.encode(text, charsets, self._vr)
        else:
            raw = text.encode("ascii", "replace")
        if len(raw) & 1:
            raw += self._pad
        if len(raw) > MAX_SHORT:
            return self._encoding.element(self._attribute.tag, self._vr, raw)
        return self._prefix + self._length(len(raw)) + raw

    def _sequence(self, items: Sequence[Mapping[str, Any]], charsets: Charsets) -> bytes:
        element = (self._attribute.tag, "SQ", [_elements(item) for item in items])
        syntax = next(uid for uid, encoding in UNCOMPRESSED.items() if encoding == self._encoding)
        return encode_dataset((element,), syntax, charsets)


def _elements(item: Mapping[str, Any]) -> Iterator[WriteElement]:
    """An item in the DICOM JSON Model (PS3.18 Annex F), for the writer."""
    for key, attribute in item.items():
        tag, vr = int(key, 16), attribute["vr"]
        values = attribute.get("Value") or []
        if tag == SPECIFIC_CHARACTER_SET or "BulkDataURI" in attribute:
            continue
        if vr == "SQ":
            yield tag, vr, [_elements(nested) for nested in values]
        elif "InlineBinary" in attribute:
            yield tag, vr, b64decode(attribute["InlineBinary"])
        elif vr == "PN":
            yield tag, vr, [from_groups(value or {}) for value in values]
        else:
            yield tag, vr, [_plain(value, vr) for value in values]


def _plain(value: Any, vr: str) -> Any:
    if isinstance(value, str) and vr not in TEXT_VRS:
        return value.encode("ascii", "replace").decode("ascii")
    return "" if value is None else value
