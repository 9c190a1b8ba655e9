"""Which rows a search looks at: the FROM and WHERE that all its statements share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, exists

from pacs.attributes import LEVELS, SAID_BY_STUDY, Attribute, Level
from pacs.search.query import Condition, DateTimeRange, Query
from storage.announced import ANNOUNCED_ONLY, AWAITED
from storage.search.conditions import PARENT, Conditions, unindexed
from storage.search.order import index_of, leading_table
from storage.tables import TABLES


@dataclass(frozen=True, slots=True)
class Candidates:
    """`keys`: rows of this level that include all matches, or whose children do."""

    level: Level
    keys: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """A query of one organisation, and the way to its rows, which `storage.search.plan` chooses.

    `query`: as `as_studies_say` has made it.
    `candidates`: the rows to start from; None for walking along the index of the order.
    `edge`: the order values of the row at which the walk ends.
    `extra`: further columns to select, of tables that `joined` joins.
    """

    organization: int
    query: Query
    dialect: str
    candidates: Candidates | None = None
    edge: Sequence[Any] | None = None
    extra: tuple[ColumnElement[Any], ...] = ()
    joined: tuple[ColumnElement[bool], ...] = ()

    @property
    def walks(self) -> bool:
        return self.candidates is None

    @property
    def table(self) -> Table:
        return TABLES[self.query.level]

    @property
    def conditions(self) -> Conditions:
        return Conditions(self.dialect, indexed=False)

    @property
    def is_tallied(self) -> bool:
        """Whether the organisation's head tells how many match."""
        query = self.query
        return not query.conditions and (query.expected or query.level is not Level.PATIENT)

    def bare(self) -> Search:
        """Without the tables whose columns are only returned."""
        return replace(self, query=replace(self.query, include=()))

    def matching(self, selected: Select[Any], owned: ColumnElement[bool]) -> Select[Any]:
        return selected.select_from(self.source()).where(owned, *self._among_candidates(), *self.fits())

    def source(self) -> Any:
        """The table of the level, joined to those above that a column or a condition needs."""
        source: Any = self.table
        for level in reversed(LEVELS[self._top().depth : self.query.level.depth]):
            below = TABLES[LEVELS[level.depth + 1]]
            parent = below.c[PARENT[LEVELS[level.depth + 1]]]
            source = source.join(TABLES[level], TABLES[level].c.pk == parent)
        return source

    def owned(self) -> ColumnElement[bool]:
        owner, lead = self.table.c.org_id, leading_table(self.query)
        if lead is self.table:
            return (owner if self.walks else unindexed(owner)) == self.organization
        return and_(lead.c.org_id == self.organization, unindexed(owner) == self.organization)

    def fits(self) -> list[ColumnElement[bool]]:
        """The query's conditions, and what is never answered."""
        clauses = [*self._at_or_above(), *self._below()]
        clauses += self._arrived(self.query.level)
        if self.query.until is not None:
            clauses.append(unindexed(self.table.c.pk) <= self.query.until)
        return clauses

    def clauses_of(self, attribute: Attribute) -> list[ColumnElement[bool]]:
        return [self.conditions.clause(c) for c in self.query.conditions if c.attribute is attribute]

    def hinted(self, selected: Select[Any]) -> Select[Any]:
        """SQLite is told to walk along the index; PostgreSQL's connections prefer it (`storage.database`)."""
        index = index_of(self.query)
        if not self.walks or index is None:
            return selected
        return selected.with_hint(leading_table(self.query), f"INDEXED BY {index}", "sqlite")

    def _at_or_above(self) -> list[ColumnElement[bool]]:
        here = (c for c in self.query.conditions if c.attribute.level.depth <= self.query.level.depth)
        return [self.conditions.clause(condition) for condition in here]

    def _below(self) -> list[ColumnElement[bool]]:
        """For each level below, that one entity satisfies all its conditions."""
        fits: list[ColumnElement[bool]] = []
        for level in reversed(LEVELS[self.query.level.depth + 1 :]):
            fits += [self.conditions.clause(c) for c in self.query.conditions if c.attribute.level is level]
            if fits:
                table, above = TABLES[level], TABLES[LEVELS[level.depth - 1]]
                fits += self._arrived(level)
                fits = [exists().where(table.c[PARENT[level]] == above.c.pk, *fits)]
        return fits

    def _arrived(self, level: Level) -> list[ColumnElement[bool]]:
        unseen = {Level.PATIENT: AWAITED, Level.STUDY: ANNOUNCED_ONLY}.get(level)
        return [] if unseen is None or self.query.expected else [~unseen]

    def _among_candidates(self) -> list[ColumnElement[bool]]:
        if self.candidates is None:
            return []
        level, keys = self.candidates.level, self.conditions.keys(self.candidates.keys)
        if level is self.query.level:
            return [self.table.c.pk.in_(keys)]
        below = LEVELS[level.depth + 1]
        return [TABLES[below].c[PARENT[below]].in_(keys)]

    def _top(self) -> Level:
        levels = {self.query.level, *(attribute.level for attribute in self.query.include)}
        levels |= {condition.attribute.level for condition in self.query.conditions}
        levels |= {attribute.level for attribute, _ in self.query.order}
        if self.candidates is not None and self.candidates.level.depth < self.query.level.depth - 1:
            levels.add(LEVELS[self.candidates.level.depth + 1])
        return min(levels, key=lambda level: level.depth)


def as_studies_say(query: Query) -> Query:
    """Below patient level, who the patient is, is what the study says of it itself."""
    if query.level is Level.PATIENT:
        return query
    said = SAID_BY_STUDY.get
    return replace(
        query,
        conditions=tuple(map(_of_study, query.conditions)),
        include=tuple(said(each, each) for each in query.include),
        order=tuple((said(each, each), descending) for each, descending in query.order),
    )


def _of_study(condition: Condition) -> Condition:
    attribute, test = condition.attribute, condition.test
    if attribute not in SAID_BY_STUDY:
        return condition
    if isinstance(test, DateTimeRange):
        test = replace(test, time=SAID_BY_STUDY[test.time])
    return Condition(SAID_BY_STUDY[attribute], test)
