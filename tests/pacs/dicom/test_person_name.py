"""Component groups of person names, to the DICOM JSON Model and back (PS3.18 §F.2.2)."""

from __future__ import annotations

from typing import Any

import pytest

from pacs.dicom.person_name import from_groups, to_groups

NAMES: dict[str, dict[str, str] | None] = {
    "Doe^Jane": {"Alphabetic": "Doe^Jane"},
    "Yamada^Tarou=山田^太郎=やまだ^たろう": {
        "Alphabetic": "Yamada^Tarou",
        "Ideographic": "山田^太郎",
        "Phonetic": "やまだ^たろう",
    },
    "=山田^太郎": {"Ideographic": "山田^太郎"},
    "Doe==ドウ": {"Alphabetic": "Doe", "Phonetic": "ドウ"},
    "": None,
}


@pytest.mark.parametrize(("text", "groups"), NAMES.items())
def test_a_name_becomes_its_groups_and_comes_back(text: str, groups: dict[str, str] | None) -> None:
    assert to_groups(text) == groups
    assert from_groups(groups or {}) == text


@pytest.mark.parametrize(("text", "groups"), [("==", None), ("a=b=c=d", ("a", "b", "c=d"))])
def test_a_name_with_too_few_or_too_many_groups(text: str, groups: tuple[str, ...] | None) -> None:
    found = to_groups(text)
    assert found is None if groups is None else found is not None and tuple(found.values()) == groups


@pytest.mark.parametrize(
    "groups", [{"Alphabetic": None, "Ideographic": "b"}, {"Ideographic": "b", "Other": "x"}]
)
def test_what_a_peer_writes_otherwise_is_understood(groups: dict[str, Any]) -> None:
    assert from_groups(groups) == "=b"
