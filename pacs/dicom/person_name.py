"""Person names in the DICOM JSON Model (PS3.18 §F.2.2): component groups by name, not with `=` between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
"""The component groups in the order of PS3.5 §6.2.1.2."""


def to_groups(text: str) -> dict[str, str] | None:
    """The groups of one name that are not empty; None when all of them are."""
    if "=" not in text:  # most names, and a search answers with thousands of them
        return {GROUPS[0]: text} if text else None
    return {name: group for name, group in zip(GROUPS, text.split("=", 2), strict=False) if group} or None


def from_groups(groups: Mapping[str, Any]) -> str:
    """One name as text; missing groups are empty."""
    return "=".join(str(groups.get(name) or "") for name in GROUPS).rstrip("=")
