"""A `Test` as an SQL condition, exact on both databases; a query's text is only ever a parameter.

Patterns are GLOB in SQLite, whose LIKE ignores case, and LIKE in PostgreSQL. Where a wildcard
could match across the end of one value or component group into the next, a regular expression
decides among the pattern's matches.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Text,
    and_,
    cast,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
)

from pacs.attributes import Attribute, Level, Matching
from pacs.search.query import (
    AnyOf,
    Condition,
    DateTimeRange,
    Either,
    Empty,
    FuzzyName,
    Items,
    OneOf,
    Range,
    Test,
    Wildcard,
)
from pacs.search.text import sound
from storage import tables
from storage.columns import BLANK
from storage.search.trigrams import bounds, delimited
from storage.tables import TABLES

Clause = ColumnElement[bool]

PARENT = {Level.STUDY: "patient_pk", Level.SERIES: "study_pk", Level.IMAGE: "series_pk"}

_BACKSLASH = literal_column("'\\'", Text)


def key(attribute: Attribute) -> ColumnElement[Any]:
    """The column to compare."""
    column: ColumnElement[Any] = TABLES[attribute.level].c[attribute.key_column]
    return column


def blank_or_key(attribute: Attribute) -> ColumnElement[Any]:
    """The expression of the page order's index."""
    return func.coalesce(key(attribute), BLANK)


def unindexed(number: ColumnElement[int]) -> ColumnElement[int]:
    """The same number, hidden from indexes: there are few organisations, but planners assume that every
    `org_id = ?` selects few rows."""
    return number + literal_column("0")


@dataclass(frozen=True, slots=True)
class Conditions:
    """`indexed`: an index may be used to find the rows. Once the way to them is chosen, PostgreSQL must not
    see another index, because it takes every value for rare."""

    dialect: str
    indexed: bool = True

    def clause(self, condition: Condition) -> Clause:
        return self._test(condition.attribute, condition.test)

    def _test(self, attribute: Attribute, test: Test) -> Clause:
        match test:
            case OneOf():
                return self._one_of(attribute, test)
            case Wildcard():
                return self._wildcard(attribute, test)
            case Range():
                return self._range(attribute, test)
            case DateTimeRange():
                return self._date_time_range(attribute, test)
            case Empty():
                return self._empty(attribute)
            case FuzzyName():
                return self._fuzzy_name(attribute, test)
            case Items():
                return self._items(attribute, test)
            case Either():
                return self._either(attribute, test)
            case AnyOf():
                return or_(*(self._test(attribute, one) for one in test.tests))

    def keys(self, keys: Sequence[int]) -> Select[int]:
        """Any number of keys as one parameter, for `IN`."""
        if self.dialect == "sqlite":
            return select(func.json_each(str(list(keys))).table_valued("value").c.value)
        return select(func.unnest(cast(list(keys), ARRAY(BigInteger))).column_valued())

    def _one_of(self, attribute: Attribute, test: OneOf) -> Clause:
        bound = bounds(attribute)
        if not bound:
            return self._key(attribute).in_(test.values)
        return or_(*(self._like(attribute, ("*", f"{bound}{value}{bound}", "*")) for value in test.values))

    def _wildcard(self, attribute: Attribute, test: Wildcard) -> Clause:
        bound = bounds(attribute)
        tokens = _tokens(test.pattern)
        if not bound:
            return self._like(attribute, tokens)
        rough = self._like(attribute, ("*", bound, *tokens, bound, "*"))
        if "?" in tokens or "*" in tokens[1:-1]:
            return and_(rough, self._subject(attribute).regexp_match(self._regex(tokens, bound)))
        return rough

    def _range(self, attribute: Attribute, test: Range) -> Clause:
        column = blank_or_key(attribute) if attribute.keyword == "StudyDate" else self._key(attribute)
        low = column >= test.low if test.low is not None else column > ""
        return low if test.high is None else and_(low, column <= test.high)

    def _date_time_range(self, attribute: Attribute, test: DateTimeRange) -> Clause:
        """The index is bounded by the day alone."""
        day, moment = self._key(attribute), self._key(test.time)
        parts = [self._range(attribute, Range(*_days(test)))]
        if test.low is not None:
            parts.append(or_(day > test.low[0], moment >= test.low[1]))
        if test.high is not None:
            parts.append(or_(day < test.high[0], moment <= test.high[1]))
        return and_(*parts)

    def _empty(self, attribute: Attribute) -> Clause:
        if attribute.computed and attribute.matching is Matching.NUMBER:
            return false()
        column = self._hidden(TABLES[attribute.level].c[attribute.column])
        return or_(column.is_(None), column == "")

    def _fuzzy_name(self, attribute: Attribute, test: FuzzyName) -> Clause:
        heard = []
        for word in test.words:
            ways = [self._like(attribute, ("*", "==", "*", f"~{word}", "*"))]
            if code := sound(word):
                ways.append(self._like(attribute, ("*", "==", "*", f"/{code}/", "*")))
            heard.append(or_(*ways))
        return and_(*heard)

    def _items(self, attribute: Attribute, test: Items) -> Clause:
        rows = [tables.sequence_values.alias() for _ in test.tests]
        first = rows[0]
        query = select(literal(1)).where(first.c.owner == TABLES[attribute.level].c.pk)
        for row, (keyword, one) in zip(rows, test.tests, strict=True):
            query = query.where(
                row.c.level == attribute.level.value,
                row.c.owner == first.c.owner,
                row.c.sequence == attribute.keyword,
                row.c.item == first.c.item,
                row.c.keyword == keyword,
                self.item_value(row.c.value, one),
            )
        return query.exists()

    def _either(self, attribute: Attribute, test: Either) -> Clause:
        above, below = TABLES[attribute.level], TABLES[test.below.level]
        within = select(literal(1)).where(below.c[PARENT[test.below.level]] == above.c.pk)
        return or_(self._test(attribute, test.test), within.where(self._test(test.below, test.test)).exists())

    def item_value(self, column: ColumnElement[str], test: OneOf | Wildcard) -> Clause:
        if isinstance(test, OneOf):
            return column.in_(test.values)
        return self._pattern(column, _tokens(test.pattern))

    def _key(self, attribute: Attribute) -> ColumnElement[Any]:
        return self._hidden(key(attribute))

    def _hidden(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        if self.indexed or self.dialect == "sqlite" or isinstance(column.type, Integer):
            return column
        return column.concat(BLANK)

    def _subject(self, attribute: Attribute) -> ColumnElement[Any]:
        column = self._key(attribute)
        return _BACKSLASH + column + _BACKSLASH if delimited(attribute) else column

    def _like(self, attribute: Attribute, tokens: tuple[str, ...]) -> Clause:
        return self._pattern(self._subject(attribute), tokens)

    def _pattern(self, subject: ColumnElement[Any], tokens: tuple[str, ...]) -> Clause:
        if self.dialect == "sqlite":
            return subject.op("GLOB", is_comparison=True)("".join(map(_glob, tokens)))
        return subject.like("".join(map(_like, tokens)))

    def _regex(self, tokens: tuple[str, ...], bound: str) -> str:
        """One value between its delimiters. Python backtracks, so there each `*` becomes an atomic group
        (`(?>…)`) up to the first match, as in `fnmatch`; PostgreSQL uses an automaton."""
        edge, other = re.escape(bound), f"[^{re.escape(bound)}]"
        pieces = [""]
        for token in tokens:
            if token == "*":
                pieces.append("")
            else:
                pieces[-1] += other if token == "?" else re.escape(token)
        if self.dialect == "sqlite" and len(pieces) > 2:
            pieces[1:-1] = ["".join(f"(?>{other}*?{piece})" for piece in pieces[1:-1])]
            return f"{edge}{pieces[0]}{pieces[1]}{other}*{pieces[2]}{edge}"
        return edge + f"{other}*".join(pieces) + edge


def _days(test: DateTimeRange) -> tuple[str | None, str | None]:
    return test.low and test.low[0], test.high and test.high[0]


def _tokens(pattern: str) -> tuple[str, ...]:
    """The pattern split into literals and wildcards."""
    return tuple(re.findall(r"[*?]|[^*?]+", pattern))


def _glob(token: str) -> str:
    return token if token in ("*", "?") else re.sub(r"([*?\[])", r"[\1]", token)


def _like(token: str) -> str:
    if token in ("*", "?"):
        return "%" if token == "*" else "_"
    return re.sub(r"([%_\\])", r"\\\1", token)
