"""What is found by pieces of three letters, however many rows there are (migration 0002).

Law: the trigrams of a pattern select all rows that match it, and perhaps more; whoever uses them
asks `storage.search_conditions` as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from types import MappingProxyType

from sqlalchemy import Integer, Select, column, literal_column, select, table

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

TABLE_NAMES = {Level.PATIENT: "patients", Level.STUDY: "studies"}

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


def _pieces(attribute: Attribute, test: Test) -> Pieces:
    """Empty when the test cannot be narrowed down by letters."""
    bound = "=" if attribute.matching is Matching.NAME else "\\"
    if isinstance(test, OneOf):
        return tuple((f"{bound}{value}{bound}",) for value in test.values)
    if isinstance(test, Wildcard):
        literals = f"{bound}{test.pattern}{bound}".replace("?", "*").split("*")
        return (tuple(filter(None, literals)),)
    if isinstance(test, FuzzyName):
        return _spoken(test.words)
    if isinstance(test, AnyOf):
        found = [_pieces(attribute, one) for one in test.tests]
        return tuple(piece for one in found for piece in one) if all(found) else ()
    return ()


def _spoken(words: Iterable[str]) -> Pieces:
    """By word or by sound is two ways a word: the two longest decide, the rest is left to the test."""
    ways = []
    for word in sorted(words, key=len)[-2:]:
        code = sound(word)
        ways.append((f"~{word}", f"/{code}/") if code else (f"~{word}",))
    return tuple(product(*ways))


def match_expression(attribute: Attribute, test: Test) -> str | None:
    """The FTS5 query of this test; None when some alternative has no piece of three letters."""
    alternatives = []
    for literals in _pieces(attribute, test):
        phrases = ['"' + piece.replace('"', '""') + '"' for piece in literals if len(piece) > 2]
        if not phrases:
            return None
        alternatives.append(" AND ".join(phrases))
    if not alternatives:
        return None
    return f"{attribute.key_column} : (({') OR ('.join(alternatives)}))"


def pair(attribute: Attribute, test: Test) -> str | None:
    """Two letters that a match has, when there are no three: `*qz*`. ASCII, whose case is plain, and
    not the last two of a text, with which no piece of three begins."""
    if not isinstance(test, Wildcard):
        return None
    for piece in _pieces(attribute, test)[0]:
        if len(piece) == 2 and piece.isascii() and not piece.endswith("\\"):
            return piece.lower()
    return None


def hits(table_name: str, expressions: Iterable[str]) -> Select[int]:
    """SQLite: the keys of the rows whose letters fit."""
    trigrams = table(f"{table_name}_trigrams", column("rowid", Integer))
    matched = literal_column(trigrams.name).op("MATCH", is_comparison=True)
    return select(trigrams.c.rowid).where(matched(" AND ".join(f"({e})" for e in expressions)))


def pair_hits(attribute: Attribute, letters: str) -> Select[int]:
    """SQLite: likewise by two, with which some piece of three begins."""
    name = f"{TABLE_NAMES[attribute.level]}_trigrams_where"
    where = table(name, column("term"), column("doc", Integer), column("col"))
    return (
        select(where.c.doc)
        .distinct()
        .where(
            where.c.term >= letters,
            where.c.term < letters + "\U0010ffff",
            where.c.col == attribute.key_column,
        )
    )
