"""Another order of studies by the parameter `orderby`, which PS3.18 does not have and other archives do:
keywords or tags with commas between, with `-` in front for descending."""

from __future__ import annotations

from pacs.attributes import BY_KEYWORD, Attribute

Order = tuple[tuple[Attribute, bool], ...]
"""Attribute, and whether it descends; of several equal ones the next decides."""

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
