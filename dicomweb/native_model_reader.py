"""Reading the Native DICOM Model (PS3.19 §A.1) into the DICOM JSON Model.

Law: size, depth and number of elements are bounded, and a document type is refused, so that no entity
can be declared, let alone expanded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from xml.parsers import expat

from dicomweb.native_model import COMPONENTS, NAMESPACE
from pacs.dicom.dictionary import LONG_VRS, SHORT_VRS
from pacs.dicom.person_name import GROUPS
from pacs.dicom.values import Value, integer
from pacs.errors import InvalidDataSet, LimitExceeded

DataSet = dict[str, Any]

MAX_BYTES = 64 << 20
MAX_DEPTH = 128
"""Nesting of sequences, as in `pacs.dicom.limits`."""
MAX_ELEMENTS = 1_000_000
MAX_TAG = 64 << 10
"""Bytes of one tag with its attributes, or of one comment; up to twice as many may pass. All other threads
would have to wait while the parser reads a longer one."""

_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_VRS = frozenset(SHORT_VRS + LONG_VRS)
_WHOLE, _REAL = frozenset({"SL", "SS", "SV", "UL", "US", "UV"}), frozenset({"FD", "FL"})
_EXACT = 1 << 53
_WITHOUT_SPACE = dict.fromkeys(map(ord, " \t\r\n"))

_CHILDREN: Mapping[str, frozenset[str]] = {
    "": frozenset({"NativeDicomModel"}),
    "NativeDicomModel": frozenset({"DicomAttribute"}),
    "Item": frozenset({"DicomAttribute"}),
    "DicomAttribute": frozenset({"Value", "Item", "PersonName", "BulkData", "InlineBinary"}),
    "PersonName": frozenset(GROUPS),
    **dict.fromkeys(GROUPS, frozenset(COMPONENTS)),
}
_OF_VR = {"SQ": "Item", "PN": "PersonName"}
"""The element names of values of these VRs, where it is not `Value`."""


def from_xml(data: bytes) -> DataSet:
    """`InvalidDataSet` or `LimitExceeded`."""
    if len(data) > MAX_BYTES:
        raise LimitExceeded(f"the metadata has more than {MAX_BYTES} bytes")
    reading = _Reading()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.text
    try:
        for start in range(0, len(data), MAX_TAG):
            piece = data[start : start + MAX_TAG]
            parser.Parse(piece, False)
            if start + len(piece) - parser.CurrentByteIndex > MAX_TAG:
                raise LimitExceeded(f"the metadata has a tag or a comment of more than {MAX_TAG} bytes")
        parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise InvalidDataSet("the metadata is not well-formed XML") from error
    return reading.data_sets[0]


def _refuse_document_type(*_: object) -> None:
    raise InvalidDataSet("the metadata has a document type declaration; send it without")


class _Reading:
    """`names` are the open elements, `data_sets` and `attributes` those being filled."""

    def __init__(self) -> None:
        self.names = [""]
        self.data_sets: list[DataSet] = [{}]
        self.attributes: list[DataSet] = []
        self._characters: list[str] = []
        self._groups: dict[str, list[str]] = {}
        self._left = MAX_ELEMENTS

    def start(self, name: str, given: dict[str, str]) -> None:
        self._spend(1)
        name = name.removeprefix(f"{NAMESPACE} ")
        if name not in _CHILDREN.get(self.names[-1], ()):
            raise InvalidDataSet("the metadata is not in the Native DICOM Model")
        self.names.append(name)
        self._characters.clear()
        if begin := _BEGIN.get(name):
            begin(self, given)

    def end(self, name: str) -> None:
        name = self.names.pop()
        if finish := _FINISH.get(name):
            finish(self)
        elif name in COMPONENTS:
            self._groups[self.names[-1]][COMPONENTS.index(name)] = "".join(self._characters)
        self._characters.clear()

    def text(self, characters: str) -> None:
        self._characters.append(characters)

    def _spend(self, elements: int) -> None:
        self._left -= elements
        if self._left < 0:
            raise LimitExceeded(f"the metadata has more than {MAX_ELEMENTS} elements")

    def begin_attribute(self, given: Mapping[str, str]) -> None:
        tag, vr = given.get("tag", ""), given.get("vr", "")
        if not _TAG.fullmatch(tag) or vr not in _VRS or tag.upper() in self.data_sets[-1]:
            raise InvalidDataSet("an attribute of the metadata has no usable tag or VR, or is there twice")
        attribute = {"vr": vr}
        self.data_sets[-1][tag.upper()] = attribute
        self.attributes.append(attribute)

    def end_attribute(self) -> None:
        self.attributes.pop()

    def begin_value(self, given: Mapping[str, str]) -> None:
        """Reads the value's number; skipped numbers are empty values."""
        attribute = self.attributes[-1]
        if _OF_VR.get(attribute["vr"], "Value") != self.names[-1]:
            raise InvalidDataSet(f"a value of VR {attribute['vr']} is written as {self.names[-1]}")
        values = attribute.setdefault("Value", [])
        number = given.get("number", str(len(values) + 1))
        if not re.fullmatch(r"\d{1,9}", number, re.ASCII) or int(number) <= len(values):
            raise InvalidDataSet("the values of an attribute are misnumbered")
        self._spend(int(number) - len(values))
        values.extend([None] * (int(number) - len(values)))
        self._groups = {}

    def end_value(self) -> None:
        if text := "".join(self._characters):
            self.attributes[-1]["Value"][-1] = _parsed(self.attributes[-1]["vr"], text)

    def begin_item(self, given: Mapping[str, str]) -> None:
        self.begin_value(given)
        if len(self.data_sets) > MAX_DEPTH:
            raise LimitExceeded(f"sequences are nested more than {MAX_DEPTH} deep")
        self.data_sets.append({})
        self.attributes[-1]["Value"][-1] = self.data_sets[-1]

    def end_item(self) -> None:
        self.data_sets.pop()

    def begin_group(self, given: Mapping[str, str]) -> None:
        self._groups[self.names[-1]] = [""] * len(COMPONENTS)

    def end_person_name(self) -> None:
        groups = {group: "^".join(parts).rstrip("^") for group, parts in self._groups.items()}
        self.attributes[-1]["Value"][-1] = {g: text for g, text in groups.items() if text} or None

    def begin_bulk_data(self, given: Mapping[str, str]) -> None:
        if uri := given.get("uri") or given.get("uuid"):
            self.attributes[-1]["BulkDataURI"] = uri

    def end_inline_binary(self) -> None:
        bare = (characters.translate(_WITHOUT_SPACE) for characters in self._characters)
        self.attributes[-1]["InlineBinary"] = "".join(bare)


_BEGIN: Mapping[str, Callable[[_Reading, Mapping[str, str]], None]] = {
    "DicomAttribute": _Reading.begin_attribute,
    "Value": _Reading.begin_value,
    "PersonName": _Reading.begin_value,
    "Item": _Reading.begin_item,
    "BulkData": _Reading.begin_bulk_data,
    **dict.fromkeys(GROUPS, _Reading.begin_group),
}
_FINISH: Mapping[str, Callable[[_Reading], None]] = {
    "DicomAttribute": _Reading.end_attribute,
    "Value": _Reading.end_value,
    "PersonName": _Reading.end_person_name,
    "Item": _Reading.end_item,
    "InlineBinary": _Reading.end_inline_binary,
}


def _parsed(vr: str, text: str) -> Value:
    if vr == "IS":
        return integer(text.strip())
    if vr in _WHOLE:
        number = int(text)
        return number if abs(number) <= _EXACT else str(number)
    return float(text) if vr in _REAL else text
