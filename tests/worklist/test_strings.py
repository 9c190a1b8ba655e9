"""The catalogues of words agree: each language has every text, with the same places to fill in."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

UI = Path(__file__).resolve().parents[2] / "worklist" / "ui"
LINE = re.compile(r'^  ("[\w.]+"): (".*"),$', re.MULTILINE)
ENTRY = re.compile(r'^  "', re.MULTILINE)
PLACE = re.compile(r"\{\w+\}")
SAID = re.compile(r'\bt\(\s*"([^"]+)"')


def catalogue(path: Path) -> dict[str, str]:
    text = path.read_text("utf-8")
    pairs = [(json.loads(key), json.loads(value)) for key, value in LINE.findall(text)]
    assert len(pairs) == len(ENTRY.findall(text)), "an entry is not on a line of its own"
    found = dict(pairs)
    assert len(found) == len(pairs), "a key stands there twice"
    return found


CATALOGUES = {path.stem: catalogue(path) for path in (UI / "strings").glob("*.js")}
ENGLISH = CATALOGUES["en"]
SCRIPTS = [
    path.read_text("utf-8") for path in UI.rglob("*.js") if path.parent.name not in ("strings", "vendor")
]


@pytest.mark.parametrize("language", sorted(CATALOGUES))
def test_every_language_has_every_text(language: str) -> None:
    words = CATALOGUES[language]
    assert sorted(words) == sorted(ENGLISH)
    assert [key for key, text in words.items() if not text.strip()] == []


@pytest.mark.parametrize("language", sorted(CATALOGUES))
def test_what_is_filled_in_is_the_same(language: str) -> None:
    words = CATALOGUES[language]
    differing = [key for key in ENGLISH if set(PLACE.findall(words[key])) != set(PLACE.findall(ENGLISH[key]))]
    assert differing == []


def test_a_text_of_one_stands_beside_the_text_of_many() -> None:
    assert [key for key in ENGLISH if key.endswith(".one") and key.removesuffix(".one") not in ENGLISH] == []


def test_the_languages_are_those_to_choose_from() -> None:
    offered = re.search(r"LANGUAGES = \{(.*)\}", (UI / "core" / "strings.js").read_text("utf-8"))
    assert offered is not None
    assert sorted(re.findall(r"(\w+):", offered[1])) == sorted(CATALOGUES)


def test_whatever_is_said_is_in_the_catalogue() -> None:
    assert {key for script in SCRIPTS for key in SAID.findall(script)} - ENGLISH.keys() == set()


def test_nothing_in_the_catalogue_is_never_said() -> None:
    """By its whole key, or by one that is made up of a beginning, such as `theme.${id}`."""
    quoted = {each for script in SCRIPTS for each in re.findall(r'"([\w.]+)"', script)}
    begun = tuple({each for script in SCRIPTS for each in re.findall(r"`([\w.]+\.)\$\{", script)})
    plain = {key.removesuffix(".one") for key in ENGLISH}
    assert {key for key in plain if key not in quoted and not key.startswith(begun)} == set()
