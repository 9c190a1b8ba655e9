"""One page of answers as one SELECT: columns, joins, conditions, order and where the last page ended.

Pages continue by key, not by offset: instances received meanwhile neither shift nor repeat answers, no
page costs more than the first, and no cursor stays open while a peer is slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    Table,
    and_,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)

from pacs.attributes import BY_KEYWORD, LEVELS, Attribute, Level, Matching
from pacs.search.query import Query
from pacs.study_states import State
from storage import tables
from storage.search.conditions import PARENT, Conditions, blank_or_key, key, unindexed
from storage.search.plan import Start
from storage.tables import TABLES

_NUMBER = {Level.SERIES: BY_KEYWORD["SeriesNumber"], Level.IMAGE: BY_KEYWORD["InstanceNumber"]}
_LAST_NUMBER = literal_column(str((1 << 63) - 1), BigInteger)
_STRIDE = literal_column("11", BigInteger)
_STUDY_DATE = BY_KEYWORD["StudyDate"]
_INDEX = {Level.PATIENT: "ix_patients_by_name", Level.STUDY: "ix_studies_newest_first"}
_SORTED = {
    "StudyDate": "ix_studies_newest_first",
    "PatientName": "ix_patients_by_name",
    "PatientID": "ix_patients_by_id",
    "AccessionNumber": "ix_studies_by_accession",
    "StudyDescription": "ix_studies_by_description",
    "LastReceivedAt": "ix_studies_org_id_last_received_at",
}
"""The index of an order that begins with the attribute; one for each sort of the REST API."""


@dataclass(frozen=True, slots=True)
class Term:
    """One sort key. Blanks sort lowest, so `descending` puts them last."""

    expression: ColumnElement[Any]
    descending: bool


@dataclass(frozen=True, slots=True)
class Page:
    """`start` None: along the order's index, and no further than the row whose order values are `edge`.

    `extra`: further columns to select, of tables that `joined` joins.
    """

    organization: int
    query: Query
    conditions: Conditions
    start: Start | None
    extra: tuple[ColumnElement[Any], ...] = ()
    joined: tuple[ColumnElement[bool], ...] = ()
    edge: Sequence[Any] | None = None

    @property
    def table(self) -> Table:
        return TABLES[self.query.level]

    @property
    def _lead(self) -> Table:
        """The table that the order begins with, whose index is walked along."""
        return TABLES[self.query.order[0][0].level] if self.query.order else self.table

    def order(self) -> list[Term]:
        level, pk = self.query.level, self.table.c.pk
        if self.query.order:
            terms = [Term(_sortable(attribute), down) for attribute, down in self.query.order]
            if self._lead is not self.table:
                terms.append(Term(self._lead.c.pk, terms[-1].descending))
            return [*terms, Term(pk, terms[-1].descending)]
        if level is Level.PATIENT:
            return [Term(blank_or_key(BY_KEYWORD["PatientName"]), False), Term(pk, False)]
        if level is Level.STUDY:
            days = [Term(blank_or_key(BY_KEYWORD[k]), True) for k in ("StudyDate", "StudyTime")]
            return [*days, Term(pk, True)]
        if self.start is None:
            return [Term(pk, True)]
        parent = self.table.c[PARENT[level]]
        return [Term(parent, True), Term(_sortable(_NUMBER[level]), False), Term(pk, False)]

    def statement(self, size: int, after: Sequence[Any] | None = None, offset: int = 0) -> Select[Any]:
        """The `size` answers after the one whose order values were `after`; the order values of each
        answer are the last columns of its row.

        With conditions, an order, or rows to skip, the keys are found first, along the index alone: see
        `in_order`.
        With a `start` they would be sorted, which misleads a planner told to avoid it: ask for `keys`, then
        for `rows`.
        """
        if not self.keys_first and not (self._along and (offset or self.query.order)):
            return self._page(self._wide().where(*self.joined), size, after, offset)
        keys = self.keys(size, after, offset).subquery()
        return self._wide().select_from(self._source().join(keys, keys.c.pk == self.table.c.pk))

    def keys(self, size: int, after: Sequence[Any] | None = None, offset: int = 0) -> Select[int]:
        """The keys of the rows that `statement` answers with."""
        return self._bare()._page(select(self.table.c.pk), size, after, offset)

    def rows(self, keys: Sequence[int]) -> Select[Any]:
        """The rows of `statement` for these keys: see `in_order`."""
        selected = self._wide().select_from(self._source())
        return selected.where(self.table.c.pk.in_(self.conditions.keys(keys)))

    def _wide(self) -> Select[Any]:
        columns = [_column(attribute) for attribute in self.query.include]
        return select(*columns, *self.extra, *(term.expression for term in self.order()))

    @property
    def keys_first(self) -> bool:
        return self.query.level is Level.STUDY and not self.query.order and bool(self.query.conditions)

    @property
    def days_only(self) -> bool:
        return all(condition.attribute is _STUDY_DATE for condition in self.query.conditions)

    @property
    def _along(self) -> bool:
        return self.start is None and not self.joined

    def in_order(self, rows: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
        """Sorted here: with an outer ORDER BY, a planner told to avoid sorting reads the whole index."""
        if not self.keys_first and not self._along:
            return rows
        terms, ordered = self.order(), list(rows)
        for place, term in enumerate(reversed(terms), 1):
            ordered.sort(key=itemgetter(-place), reverse=term.descending)
        return ordered

    def _page(
        self, selected: Select[Any], size: int, after: Sequence[Any] | None, offset: int
    ) -> Select[Any]:
        terms = self.order()
        page = self._hinted(self._matching(selected, self._owned()))
        if after is not None:
            page = page.where(_behind(terms, after))
        if self.edge is not None:
            page = page.where(_up_to(terms, self.edge))
        page = page.order_by(*(self._sorted(term) for term in terms)).limit(size)
        return page.offset(offset) if offset else page

    def newest(self, sample: int, reach: int) -> Select[Any]:
        """How many of `sample` rows fit, how many those are, and the order values of the row behind the
        newest `reach`, or NULLs: all within the range of days. One in `_STRIDE` is tried, as what came
        together is alike."""
        terms = self.order()
        ordered = [self._sorted(term) for term in terms]
        days = [self.conditions.clause(c) for c in self.query.conditions if c.attribute is _STUDY_DATE]
        inside = (self._owned(), *days)
        fits = case((and_(true(), *self._fits()), 1)).label("fits")
        rows = self._hinted(select(fits).select_from(self._bare()._source()).where(*inside))
        tried = rows.where(self.table.c.pk % _STRIDE == 0).order_by(*ordered).limit(sample).subquery()
        far = self._hinted(select(*(term.expression for term in terms)).where(*inside))
        edge = far.order_by(*ordered).offset(reach).limit(1).subquery()
        counts = select(func.count(tried.c.fits).label("fitting"), func.count().label("tried")).subquery()
        return select(counts, *edge.c).select_from(counts.outerjoin(edge, true()))

    def last(self) -> ColumnElement[Any]:
        """The highest key of this level; entities stored later have higher ones."""
        return select(func.max(self.table.c.pk)).scalar_subquery()

    def count(self, at_most: int | None = None) -> Select[Any]:
        """The number of matches, counted no further than one above `at_most`."""
        bare = replace(self, query=replace(self.query, include=(), order=()))
        if at_most is not None:
            met = bare._hinted(bare._matching(select(literal_column("1")), bare._owned()))
            return select(func.count()).select_from(met.limit(at_most + 1).subquery())
        owner = self.table.c.org_id
        owned = (unindexed(owner) if self.query.conditions else owner) == self.organization
        return bare._matching(select(func.count()), owned)

    def tallied(self, at_most: int) -> Select[int, int]:
        """Without conditions: how many there are, by the organisation's head, and how many of those were
        stored after `until`, counted no further than one above `at_most`."""
        head = tables.org_heads
        total: ColumnElement[int] = head.c[self.table.name]
        if self.query.level is Level.STUDY and not self.query.expected:
            total = total - head.c[tables.ANNOUNCED]
        if self.query.until is None:
            return select(total, literal_column("0", BigInteger)).where(head.c.org_id == self.organization)
        every = replace(self, query=replace(self.query, until=None))
        mine = unindexed(self.table.c.org_id) == self.organization
        newer = every._matching(select(literal_column("1")), mine).where(self.table.c.pk > self.query.until)
        counted = select(func.count()).select_from(newer.limit(at_most + 1).subquery()).scalar_subquery()
        return select(total, counted).where(head.c.org_id == self.organization)

    def _bare(self) -> Page:
        """Without the tables whose columns are only returned."""
        return replace(self, query=replace(self.query, include=()))

    def _matching(self, selected: Select[Any], owned: ColumnElement[bool]) -> Select[Any]:
        return selected.select_from(self._source()).where(owned, *self._started(), *self._fits())

    def _source(self) -> Any:
        source: Any = self.table
        for level in reversed(LEVELS[self._top().depth : self.query.level.depth]):
            below = TABLES[LEVELS[level.depth + 1]]
            parent = below.c[PARENT[LEVELS[level.depth + 1]]]
            source = source.join(TABLES[level], TABLES[level].c.pk == parent)
        return source

    def _fits(self) -> list[ColumnElement[bool]]:
        clauses = [*self._clauses(), *self._below()]
        if self.query.level is Level.STUDY:
            clauses += self._arrived()
        if self.query.until is not None:
            clauses.append(unindexed(self.table.c.pk) <= self.query.until)
        return clauses

    def _clauses(self) -> list[ColumnElement[bool]]:
        here = (c for c in self.query.conditions if c.attribute.level.depth <= self.query.level.depth)
        return [self.conditions.clause(condition) for condition in here]

    def _below(self) -> list[ColumnElement[bool]]:
        """For each level below, that one entity satisfies all its conditions."""
        fits: list[ColumnElement[bool]] = []
        for level in reversed(LEVELS[self.query.level.depth + 1 :]):
            fits += [self.conditions.clause(c) for c in self.query.conditions if c.attribute.level is level]
            if fits:
                table, above = TABLES[level], TABLES[LEVELS[level.depth - 1]]
                if level is Level.STUDY:
                    fits += self._arrived()
                fits = [exists().where(table.c[PARENT[level]] == above.c.pk, *fits)]
        return fits

    def _arrived(self) -> list[ColumnElement[bool]]:
        return [] if self.query.expected else [tables.studies.c.state != State.EXPECTED.value]

    def _top(self) -> Level:
        levels = {self.query.level, *(attribute.level for attribute in self.query.include)}
        levels |= {condition.attribute.level for condition in self.query.conditions}
        levels |= {attribute.level for attribute, _ in self.query.order}
        if self.start is not None and self.start.level.depth < self.query.level.depth - 1:
            levels.add(LEVELS[self.start.level.depth + 1])
        return min(levels, key=lambda level: level.depth)

    def _owned(self) -> ColumnElement[bool]:
        owner = self.table.c.org_id
        if self._lead is self.table:
            return (owner if self.start is None else unindexed(owner)) == self.organization
        return and_(self._lead.c.org_id == self.organization, unindexed(owner) == self.organization)

    def _started(self) -> list[ColumnElement[bool]]:
        if self.start is None:
            return []
        level, keys = self.start.level, self.conditions.keys(self.start.keys)
        if level is self.query.level:
            return [self.table.c.pk.in_(keys)]
        below = LEVELS[level.depth + 1]
        return [TABLES[below].c[PARENT[below]].in_(keys)]

    def _hinted(self, selected: Select[Any]) -> Select[Any]:
        index = _INDEX.get(self.query.level)
        if self.query.order:
            index = _SORTED.get(self.query.order[0][0].keyword)
        if self.start is not None or index is None:
            return selected
        return selected.with_hint(self._lead, f"INDEXED BY {index}", "sqlite")

    def _sorted(self, term: Term) -> ColumnElement[Any]:
        expression = term.expression
        if self.start is not None and self.query.level in _INDEX:
            expression = _unordered(expression)
        return expression.desc() if term.descending else expression.asc()


def _unordered(expression: ColumnElement[Any]) -> ColumnElement[Any]:
    """The same sort key, but not usable with an index: few rows are collected, then sorted."""
    return func.coalesce(expression, expression)


def _column(attribute: Attribute) -> ColumnElement[Any]:
    column: ColumnElement[Any] = TABLES[attribute.level].c[attribute.column]
    return column


def _sortable(attribute: Attribute) -> ColumnElement[Any]:
    if attribute.matching is Matching.NUMBER:
        number: ColumnElement[Any] = key(attribute)
        return func.coalesce(number, _LAST_NUMBER) if getattr(number, "nullable", True) else number
    return blank_or_key(attribute)


def _up_to(terms: Sequence[Term], edge: Sequence[Any]) -> ColumnElement[bool]:
    """No further than `edge`, where all terms descend."""
    return and_(terms[0].expression >= edge[0], tuple_(*(term.expression for term in terms)) >= tuple_(*edge))


def _behind(terms: Sequence[Term], after: Sequence[Any]) -> ColumnElement[bool]:
    """Lexicographically after `after`. The separate bound of the first term is for SQLite's planner."""
    first = terms[0]
    bound = first.expression <= after[0] if first.descending else first.expression >= after[0]
    if len({term.descending for term in terms}) == 1:
        here, there = tuple_(*(term.expression for term in terms)), tuple_(*after)
        return and_(bound, here < there if first.descending else here > there)
    ways = []
    for i, term in enumerate(terms):
        same = [t.expression == v for t, v in zip(terms[:i], after[:i], strict=True)]
        further = term.expression < after[i] if term.descending else term.expression > after[i]
        ways.append(and_(*same, further))
    return and_(bound, or_(*ways))
