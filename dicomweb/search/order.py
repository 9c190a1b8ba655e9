"""The order of studies by the parameter `orderby`, which is not in PS3.18 but in other archives: keywords or
tags, separated by commas, each with `-` in front for descending order."""

from __future__ import annotations

from pacs.attributes import BY_KEYWORD, Attribute

Order = tuple[tuple[Attribute, bool], ...]
"""Attributes, the most significant first, each with whether it descends."""

SORTED_BY = ("PatientName", "PatientID", "StudyDate", "StudyTime", "AccessionNumber", "StudyDescription")
_BY_NAME = {
    name: BY_KEYWORD[keyword] for keyword in SORTED_BY for name in (keyword, f"{BY_KEYWORD[keyword].tag:08X}")
}


def parse_order(value: str) -> Order | None:
    """None for what studies cannot be sorted by here."""
    order: dict[Attribute, bool] = {}
    for name in filter(None, (name.strip() for name in value.split(","))):
        attribute = _BY_NAME.get(name.removeprefix("-"))
        if attribute is None:
            return None
        order.setdefault(attribute, name.startswith("-"))
    return tuple(order.items())
