"""Choosing the plan of a search: from the few rows that a key selects, or along the page's order.

Common values are soon met along the order; rare ones must be looked up. Each key's rows are counted up to
one more than `FEW`, which shows whether it is rare, and finds the rows if it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt

from sqlalchemy import Connection, Select, Table, Text, func, literal_column, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY

from pacs.attributes import BY_KEYWORD, LEVELS, Attribute, Level
from pacs.search.query import Condition, Items, OneOf, Query, Range, Test
from storage import tables
from storage.search.conditions import PARENT, Conditions, key, unindexed
from storage.search.trigrams import hits, is_indexed, match_expression, pair, pair_hits
from storage.tables import TABLES

FEW, FEWEST = 5_000, 2_000
ROOTS = 5
"""Rows worth collecting and sorting: of n rows, `ROOTS` times the square root of n, within these bounds.

Collecting costs as much as there are hits, walking to a page as much as there are rows between them;
where both cost the same grows with the root. At a million studies either way takes some 20 ms.
"""

_STUDY_DATE = BY_KEYWORD["StudyDate"]
_UIDS = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
_LOOKED_UP = frozenset(
    BY_KEYWORD[keyword]
    for keyword in ("PatientID", "PatientBirthDate", "AccessionNumber", "StudyID", "Modality")
)
"""Attributes with an index of their own (`storage.tables`), asked for by value."""


@dataclass(frozen=True, slots=True)
class Start:
    """`keys`: rows of this level that include all matches."""

    level: Level
    keys: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Way:
    level: Level
    hits: Select[int]

    def up_to(self, level: Level) -> _Way:
        """The same at `level` or above: the parents of the rows, perhaps with repetitions."""
        if self.level.depth <= level.depth:
            return self
        here, hit = TABLES[self.level], self.hits.subquery()
        above = select(here.c[PARENT[self.level]]).join(hit, hit.c[0] == here.c.pk)
        return _Way(LEVELS[self.level.depth - 1], above).up_to(level)


@dataclass(frozen=True, slots=True)
class Planner:
    organization: int
    conditions: Conditions

    def choose(self, connection: Connection, query: Query, *, rare: bool = False) -> Start | None:
        """The rows to start from; None for walking along the order. `rare`: none was among the newest."""
        uid = self._by_uid(query)
        if uid is not None:
            uid = uid.up_to(query.level)
            return Start(uid.level, tuple(connection.execute(uid.hits).scalars()))
        ways = [way.up_to(query.level) for way in self._ways(query)]
        few = self._fewest(connection, query.level, ways)
        if few is None and (rare or query.order or not ways):
            few = self._fewest(connection, query.level, list(self._scanned(query, rare)))
        return few

    def _fewest(self, connection: Connection, level: Level, ways: list[_Way]) -> Start | None:
        """The rows of the way that has the fewest, if they are few."""
        if not ways:
            return None
        capped = (
            select(literal_column(str(i)), way.hits.limit(FEW + 1).subquery()) for i, way in enumerate(ways)
        )
        rows = select(literal_column(str(len(ways))), select(func.max(TABLES[level].c.pk)).subquery())
        found: list[list[int]] = [[] for _ in range(len(ways) + 1)]
        for i, pk in connection.execute(union_all(*capped, rows)):
            found[i].append(pk)
        [last] = found.pop()
        fewest, way = min(zip(found, ways, strict=True), key=lambda pair: len(pair[0]))
        return Start(way.level, tuple(fewest)) if len(fewest) <= _few(last or 0) else None

    def looks_up(self, query: Query) -> bool:
        """Whether a key selects its rows by an index of values, which costs next to nothing."""
        return self._by_uid(query) is not None or any(map(self._looked_up, query.conditions))

    def _by_uid(self, query: Query) -> _Way | None:
        """UIDs select few rows, those of the lowest level the fewest."""
        given = {c.attribute.keyword: c for c in query.conditions if isinstance(c.test, OneOf)}
        for keyword in _UIDS:
            if keyword in given:
                return self._selected(given[keyword].attribute.level, [given[keyword]])
        return None

    def _ways(self, query: Query) -> Iterator[_Way]:
        for level in LEVELS:
            lettered: dict[str, Condition] = {}
            for condition in (c for c in query.conditions if c.attribute.level is level):
                if way := self._looked_up(condition):
                    yield way
                elif expression := _letters(condition):
                    lettered[expression] = condition
            if lettered:
                yield self._by_letters(level, lettered)
        if query.order and (days := [c for c in query.conditions if c.attribute is _STUDY_DATE]):
            yield self._selected(Level.STUDY, days)

    def _looked_up(self, condition: Condition) -> _Way | None:
        attribute, test = condition.attribute, condition.test
        if isinstance(test, Items):
            return self._owners(attribute.level, condition)
        if attribute in _LOOKED_UP and _is_value(test):
            return self._selected(attribute.level, [condition])
        if is_indexed(attribute) and not _letters(condition) and (letters := pair(attribute, test)):
            return self._by_pair(attribute, letters)
        return None

    def _by_letters(self, level: Level, lettered: dict[str, Condition]) -> _Way:
        if self.conditions.dialect == "sqlite":
            return _Way(level, hits(TABLES[level].name, lettered))
        if [c.attribute.keyword for c in lettered.values()] == ["ModalitiesInStudy"]:
            return self._selected(level, list(lettered.values()))  # few enough to know their number
        return _Way(level, self._matching(level, list(lettered.values())))

    def _by_pair(self, attribute: Attribute, letters: str) -> _Way | None:
        """PostgreSQL has an index of letter pairs for patients' names only."""
        if self.conditions.dialect == "sqlite":
            return _Way(attribute.level, pair_hits(attribute, letters))
        if attribute.keyword != "PatientName":
            return None
        pairs = func.letter_pairs(key(attribute), type_=ARRAY(Text)).contains([letters])
        patients = TABLES[attribute.level].c
        return _Way(
            attribute.level, select(patients.pk).where(unindexed(patients.org_id) == self.organization, pairs)
        )

    def _scanned(self, query: Query, rare: bool) -> Iterator[_Way]:
        """In the order of their keys, as no other index is of use. Half a million patients take 0.1 s, a
        million studies 0.3 s; walking along those takes seconds. Studies only if rare, as others are met much
        sooner, and if no days bound the walk; in another order than the newest first, always."""
        tried = {c for c in query.conditions if self._looked_up(c) or _letters(c)}
        days = {c for c in query.conditions if c.attribute is _STUDY_DATE}
        levels = [Level.PATIENT] if query.level is not Level.PATIENT else []
        if query.order or (rare and not days):
            levels.append(Level.STUDY)
        for level in levels:
            if any(c.attribute.level is level for c in query.conditions if c not in tried | days):
                rows = self._matching(level, [c for c in query.conditions if c.attribute.level is level])
                yield _Way(level, rows.order_by(TABLES[level].c.pk.desc()))

    def _matching(self, level: Level, conditions: list[Condition]) -> Select[int]:
        table, clauses = TABLES[level], map(self.conditions.clause, conditions)
        return select(table.c.pk).where(unindexed(table.c.org_id) == self.organization, *clauses)

    def _selected(self, level: Level, conditions: list[Condition]) -> _Way:
        table = TABLES[level]
        selected = select(table.c.pk).where(table.c.org_id == self.organization)
        return _Way(level, selected.where(*map(self.conditions.clause, conditions)).correlate(None))

    def _owners(self, level: Level, condition: Condition) -> _Way:
        """By the first of the item's keys; the others are checked by the condition."""
        assert isinstance(condition.test, Items)
        keyword, test = condition.test.tests[0]
        row: Table = tables.sequence_values
        owners = select(row.c.owner).where(
            row.c.org_id == self.organization,
            row.c.level == level.value,
            row.c.sequence == condition.attribute.keyword,
            row.c.keyword == keyword,
            self.conditions.item_value(row.c.value, test),
        )
        return _Way(level, owners)


def _few(rows: int) -> int:
    return min(FEW, max(FEWEST, ROOTS * isqrt(rows)))


def _letters(condition: Condition) -> str | None:
    if not is_indexed(condition.attribute):
        return None
    return match_expression(condition.attribute, condition.test)


def _is_value(test: Test) -> bool:
    return isinstance(test, OneOf) or (isinstance(test, Range) and test.low == test.high)
