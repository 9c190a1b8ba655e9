"""The Native DICOM Model (PS3.19 §A.1): the DICOM JSON Model of a data set written as XML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydicom.datadict import dictionary_has_tag, keyword_for_tag

from pacs.dicom.person_name import GROUPS

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")

_HEAD = f'<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">'
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
_SPECIAL = re.compile('[&<>"\t\n\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')


def to_xml(data_set: Mapping[str, Any]) -> bytes:
    """Recursive; the depth of the data set was bounded by its reader."""
    return "".join((_HEAD, *_elements(data_set), "</NativeDicomModel>")).encode()


def _elements(data_set: Mapping[str, Any]) -> Iterable[str]:
    for tag, attribute in data_set.items():
        vr = attribute["vr"]
        yield f'<DicomAttribute tag="{tag}" vr="{vr}"{_called(data_set, int(tag, 16))}>'
        if "BulkDataURI" in attribute:
            yield f'<BulkData uri="{_escaped(attribute["BulkDataURI"])}"/>'
        elif "InlineBinary" in attribute:
            yield f"<InlineBinary>{attribute['InlineBinary']}</InlineBinary>"
        for position, value in enumerate(attribute.get("Value") or (), 1):
            yield from _value(vr, position, value)
        yield "</DicomAttribute>"


def _called(data_set: Mapping[str, Any], tag: int) -> str:
    if dictionary_has_tag(tag):
        return f' keyword="{keyword_for_tag(tag)}"'
    creator = data_set.get(f"{tag >> 16:04X}00{(tag >> 8) & 0xFF:02X}") if tag >> 16 & 1 else None
    values = (creator or {}).get("Value")
    return f' privateCreator="{_escaped(str(values[0]))}"' if values else ""


def _value(vr: str, position: int, value: Any) -> Iterable[str]:
    if vr == "SQ":
        yield f'<Item number="{position}">'
        yield from _elements(value or {})
        yield "</Item>"
    elif vr == "PN":
        yield f'<PersonName number="{position}">'
        yield from _person_name(value or {})
        yield "</PersonName>"
    else:
        yield f'<Value number="{position}">{"" if value is None else _escaped(_text(value))}</Value>'


def _person_name(groups: Mapping[str, str]) -> Iterable[str]:
    for group in GROUPS:
        if text := groups.get(group):
            yield f"<{group}>"
            for name, component in zip(COMPONENTS, text.split("^", 4), strict=False):
                if component:
                    yield f"<{name}>{_escaped(component)}</{name}>"
            yield f"</{group}>"


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _escaped(text: str) -> str:
    """Characters that XML cannot represent become U+FFFD."""
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found[0], "\ufffd"), text)
