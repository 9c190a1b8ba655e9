"""Trigram indexes: substring search in a time that does not depend on the number of rows (migration 0002).

Law: the trigrams of a pattern select all rows that match it, and perhaps more, so the conditions of
`storage.search.conditions` are always applied as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from types import MappingProxyType

from sqlalchemy import Integer, Select, column, literal_column, select, table

from pacs.attributes import BY_KEYWORD, SAID_BY_STUDY, Attribute, Level, Matching
from pacs.search.query import AnyOf, FuzzyName, OneOf, Test, Wildcard
from pacs.search.text import sound

TRIGRAMS: Mapping[Level, tuple[Attribute, ...]] = MappingProxyType(
    {
        Level.PATIENT: tuple(
            BY_KEYWORD[k] for k in ("PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames")
        ),
        Level.STUDY: (
            SAID_BY_STUDY[BY_KEYWORD["PatientName"]],
            *(
                BY_KEYWORD[k]
                for k in (
                    "AccessionNumber",
                    "StudyID",
                    "StudyDescription",
                    "ReferringPhysicianName",
                    "ModalitiesInStudy",
                )
            ),
        ),
    }
)

TABLE_NAMES = {Level.PATIENT: "patients", Level.STUDY: "studies"}

Pieces = tuple[tuple[str, ...], ...]
"""Alternatives, each of literal pieces that must all occur in the key."""


def is_indexed(attribute: Attribute) -> bool:
    return attribute in TRIGRAMS.get(attribute.level, ())


def delimited(attribute: Attribute) -> bool:
    """Whether the column holds several values, each of which is searched with backslashes around it."""
    return attribute.multiple and attribute.matching is not Matching.NAME


def bounds(attribute: Attribute) -> str:
    """The delimiter on both sides of each unit that a pattern must match as a whole."""
    if attribute.matching is Matching.NAME:
        return "="
    return "\\" if delimited(attribute) else ""


def _pieces(attribute: Attribute, test: Test) -> Pieces:
    """Empty when trigrams cannot narrow the test."""
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
    """Each word may match by spelling or by sound, so alternatives double; only the two longest are used."""
    ways = []
    for word in sorted(words, key=len)[-2:]:
        code = sound(word)
        ways.append((f"~{word}", f"/{code}/") if code else (f"~{word}",))
    return tuple(product(*ways))


def match_expression(attribute: Attribute, test: Test) -> str | None:
    """The FTS5 query of this test; None when an alternative has no piece of three letters."""
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
    """Two letters that every match contains, for patterns such as `*qz*`. ASCII only, for simple case
    folding; not the last two of a text, as no trigram begins with them."""
    if not isinstance(test, Wildcard):
        return None
    for piece in _pieces(attribute, test)[0]:
        if len(piece) == 2 and piece.isascii() and not piece.endswith("\\"):
            return piece.lower()
    return None


def hits(table_name: str, expressions: Iterable[str]) -> Select[int]:
    """SQLite: the keys of the rows whose trigrams match."""
    trigrams = table(f"{table_name}_trigrams", column("rowid", Integer))
    matched = literal_column(trigrams.name).op("MATCH", is_comparison=True)
    return select(trigrams.c.rowid).where(matched(" AND ".join(f"({e})" for e in expressions)))


def pair_hits(attribute: Attribute, letters: str) -> Select[int]:
    """SQLite: the same by two letters with which a trigram begins."""
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
