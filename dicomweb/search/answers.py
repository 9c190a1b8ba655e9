"""The matches of a search in the DICOM JSON Model (PS3.18 Annex F), from the index's values.

One `Encoder` serves one request, so that what all its answers share is computed once. Required
attributes are present without Value when unknown; optional ones are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pacs.attributes import BY_KEYWORD, UNIQUE_KEY, Attribute, Level, Matching
from pacs.dicom.charset import UTF_8
from pacs.dicom.person_name import to_groups
from pacs.dicom.values import integer
from pacs.http.dicomweb_urls import resource_url
from pacs.model import Values

DataSet = dict[str, Any]

_CONDITIONAL = frozenset(
    BY_KEYWORD[keyword]
    for keyword in (
        "TimezoneOffsetFromUTC", "SeriesDescription", "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime", "RequestAttributesSequence", "Rows", "Columns", "BitsAllocated",
        "NumberOfFrames", "AvailableTransferSyntaxUID",
    )
)  # fmt: skip
_RETRIEVE_URL = "00081190"
_CONSTANT: Mapping[str, DataSet] = {
    "00080005": {"vr": "CS", "Value": [UTF_8]},
    "00080056": {"vr": "CS", "Value": ["ONLINE"]},
    _RETRIEVE_URL: {},
}
_RESOURCES = (Level.STUDY, Level.SERIES, Level.IMAGE)
_Entry = tuple[str, str, str, Callable[[Any], list[Any]], DataSet | None]
"""Tag, keyword, VR, the parser of the text, and the element for an absent value."""
_ONE_VALUE = frozenset({"ST", "LT", "UT", "UR"})
_INTEGERS = frozenset({"US", "UL", "SS", "SL", "UV", "SV"})


class Encoder:
    """`service`: the URL of `/dicom-web` as the caller sees it."""

    def __init__(self, service: str, level: Level, include: Iterable[Attribute]) -> None:
        entries: list[_Entry] = [
            (f"{a.tag:08X}", a.keyword, a.vr, _converter(a), None if a in _CONDITIONAL else {"vr": a.vr})
            for a in include
        ]
        entries += [(tag, "", "", list, constant) for tag, constant in _CONSTANT.items()]
        self._entries = sorted(entries, key=lambda entry: entry[0])
        self._service = service
        self._uids = [UNIQUE_KEY[each] for each in _RESOURCES if each.depth <= level.depth]

    def encode(self, values: Values) -> DataSet:
        answer: DataSet = {}
        for tag, keyword, vr, convert, otherwise in self._entries:
            value = values.get(keyword)
            if value is not None and (converted := convert(value)):
                answer[tag] = {"vr": vr, "Value": converted}
            elif otherwise is not None:
                answer[tag] = otherwise
        url = resource_url(self._service, *(values[keyword] for keyword in self._uids))
        answer[_RETRIEVE_URL] = {"vr": "UR", "Value": [url]}
        return answer


def _converter(attribute: Attribute) -> Callable[[Any], list[Any]]:
    vr = attribute.vr
    if attribute.matching is Matching.SEQUENCE:
        return list
    if vr == "PN":
        return _person_names
    if vr in _INTEGERS:
        return _integers
    if vr == "IS":
        return lambda value: [integer(part.strip()) if part else None for part in str(value).split("\\")]
    return _whole if vr in _ONE_VALUE else _strings


def _whole(text: str) -> list[Any]:
    return [text]


def _strings(text: str) -> list[Any]:
    return [value or None for value in text.split("\\")] if "\\" in text else [text]


def _integers(value: str | int) -> list[Any]:
    """Text that is not an integer, as objects with a wrong VR have, yields no value."""
    numbers = map(integer, str(value).split("\\"))
    return [number for number in numbers if isinstance(number, int)]


def _person_names(text: str) -> list[Any]:
    return [to_groups(value) for value in text.split("\\")]
