"""Match keys: the normalised form that stored values and query values are compared in.

Law: both sides of a comparison pass through the same functions of this module, so that the
database only ever compares plain strings and integers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pacs.attributes import Attribute, Matching
from pacs.search import moments
from pacs.search.text import fold, sound, words

MAX_KEY = 512
"""Characters of a text's key; PostgreSQL takes at most 2,704 bytes in a B-tree entry."""
MAX_GROUPS, MAX_WORDS = 400, 250
"""Characters of a name's key for its component groups and for its words and sounds."""

_UNLIMITED = frozenset({"ST", "LT", "UT", "UC"})
_ONE_VALUE = frozenset({"ST", "LT", "UT"})
"""VRs in which a backslash is a letter (PS3.5 §6.4)."""

_INTEGER = re.compile(r"[+-]?\d{1,18}(?:\.0*)?")


def normalize(attribute: Attribute, text: str) -> str | int | None:
    """The key under which a stored value is found; None when the value has none.

    Several values become keys joined by a backslash; where only one is allowed, the first counts.
    """
    return _KEY[attribute.matching](attribute, text) if attribute.matching in _KEY else text or None


def split_values(attribute: Attribute, text: str) -> list[str]:
    return [text] if attribute.vr in _ONE_VALUE else text.split("\\")


def _text(attribute: Attribute, text: str) -> str | None:
    folded = "\\".join(fold(value) for value in split_values(attribute, text))
    return (folded if attribute.vr in _UNLIMITED else folded[:MAX_KEY]) or None


def _name(attribute: Attribute, text: str) -> str | None:
    return name_key(text)


def _date(attribute: Attribute, text: str) -> str | None:
    return moments.day(text.split("\\")[0])


def _time(attribute: Attribute, text: str) -> str | None:
    found = moments.time(text.split("\\")[0])
    return found and found[0]


def _moment(attribute: Attribute, text: str) -> str | None:
    found = moments.moment(text.split("\\")[0])
    return found and found[0]


def _number(attribute: Attribute, text: str) -> int | None:
    return integer(text.split("\\")[0])


_KEY: Mapping[Matching, Callable[[Attribute, str], str | int | None]] = {
    Matching.TEXT: _text,
    Matching.NAME: _name,
    Matching.DATE: _date,
    Matching.TIME: _time,
    Matching.DATETIME: _moment,
    Matching.NUMBER: _number,
}


def integer(text: str) -> int | None:
    text = text.strip()
    if not text.isascii() or not _INTEGER.fullmatch(text):
        return None
    return int(text.split(".")[0])


def name_group(text: str) -> str:
    """One component group: components folded and trimmed, empty ones at the end dropped."""
    components = [fold(component) for component in text.split("^")]
    return "^".join(components).rstrip("^")


def name_key(text: str) -> str | None:
    """`=group=group==~word~word/sound/sound/`: groups of all values, then words for fuzzy matching.

    Each group stands between equals signs, so that a pattern for a whole group is a pattern for a
    piece of the key; words in Latin letters follow `==`, which nothing before it contains. `O'Brien`
    has the words `o`, `brien` and `obrien`.
    """
    groups = [name_group(group) for value in text.split("\\") for group in value.split("=")]
    kept = "=".join(dict.fromkeys(filter(None, groups)))[:MAX_GROUPS].rstrip("=")
    if not kept:
        return None
    found = tuple(dict.fromkeys((*words(kept), *words(kept.replace("'", "")))))
    heard = dict.fromkeys(filter(None, map(sound, found)))
    spoken = "".join(f"~{word}" for word in found)[:MAX_WORDS]
    sounds = "".join(f"/{code}" for code in heard)[: MAX_WORDS - len(spoken) // 2]
    return f"={kept}=={spoken}{sounds}/"
