"""What is found by pieces of three letters, however many rows there are (migration 0002).

Law: the trigrams of a pattern select all rows that match it, and perhaps more; whoever uses them
asks `storage.search_conditions` as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from sqlalchemy import ColumnElement, Select, bindparam, column, select, table, text

from pacs.attributes import BY_KEYWORD, Attribute, Level, Matching
from pacs.query import AnyOf, FuzzyName, OneOf, Test, Wildcard
from pacs.text import sound

TRIGRAMS: Mapping[Level, tuple[Attribute, ...]] = MappingProxyType(
    {
        Level.PATIENT: tuple(
            BY_KEYWORD[k] for k in ("PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames")
        ),
        Level.STUDY: tuple(
            BY_KEYWORD[k]
            for k in (
                "AccessionNumber",
                "StudyID",
                "StudyDescription",
                "ReferringPhysicianName",
                "ModalitiesInStudy",
            )
        ),
    }
)

Pieces = tuple[tuple[str, ...], ...]
"""Alternatives, each the literal pieces that all occur in the key."""


def is_indexed(attribute: Attribute) -> bool:
    return attribute in TRIGRAMS.get(attribute.level, ())


def delimited(attribute: Attribute) -> bool:
    """Whether several values lie in one column, which is searched with a backslash around each."""
    return attribute.multiple and attribute.matching is not Matching.NAME


def bounds(attribute: Attribute) -> str:
    """What stands on both sides of each thing that a pattern must match as a whole."""
    if attribute.matching is Matching.NAME:
        return "="
    return "\\" if delimited(attribute) else ""


def pieces(attribute: Attribute, test: Test) -> Pieces:
    """Empty when the test cannot be narrowed down by letters."""
    bound = bounds(attribute)
    if isinstance(test, OneOf):
        return tuple((f"{bound}{value}{bound}",) for value in test.values)
    if isinstance(test, Wildcard):
        literals = f"{bound}{test.pattern}{bound}".replace("?", "*").split("*")
        return (tuple(filter(None, literals)),)
    if isinstance(test, FuzzyName):
        return _spoken(test.words)
    if isinstance(test, AnyOf):
        found = [pieces(attribute, one) for one in test.tests]
        return tuple(piece for one in found for piece in one) if all(found) else ()
    return ()


def _spoken(words: Iterable[str]) -> Pieces:
    """By word or by sound is two ways a word: the longest word decides, the rest is left to the test."""
    longest = max(words, key=len)
    code = sound(longest)
    return ((f"~{longest}",), (f"/{code}/",)) if code else ((f"~{longest}",),)


def match_expression(attribute: Attribute, test: Test) -> str | None:
    """The FTS5 query of this test; None when some alternative has no piece of three letters."""
    alternatives = []
    for literals in pieces(attribute, test):
        found = dict.fromkeys(
            piece[i : i + 3] for piece in literals for i in range(len(piece) - 2) if "\x00" not in piece
        )
        if not found:
            return None
        alternatives.append(" AND ".join('"' + trigram.replace('"', '""') + '"' for trigram in found))
    if not alternatives:
        return None
    return f"{attribute.key_column} : (({') OR ('.join(alternatives)}))"


def fts_hits(level_table: str, expressions: Iterable[str]) -> Select[tuple[int]]:
    """SQLite: the keys of the rows whose trigrams fit."""
    trigrams = table(f"{level_table}_trigrams", column("rowid"))
    matches: ColumnElement[bool] = text(f"{trigrams.name} MATCH :expression").bindparams(  # type: ignore[assignment]
        bindparam("expression", " AND ".join(f"({e})" for e in expressions), unique=True)
    )
    return select(trigrams.c.rowid).where(matches)
