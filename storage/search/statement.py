"""The statements of a search: a page of answers, how many there are, and a sample of the newest.

`storage.search.plan` decides which of them are sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Row,
    Select,
    and_,
    case,
    func,
    literal_column,
    select,
    true,
)

from pacs.attributes import BY_KEYWORD, Level
from storage import tables
from storage.search.conditions import unindexed
from storage.search.order import after, order_by, sort_rows, terms_of, up_to
from storage.search.selection import Search
from storage.search.tuning import STRIDE
from storage.tables import TABLES

_ONE = literal_column("1", Integer)
_STUDY_DATE = BY_KEYWORD["StudyDate"]


def keys_first(search: Search) -> bool:
    """Whether the keys of a page are found before its rows are read, along the index alone."""
    query = search.query
    return query.level is Level.STUDY and not query.order and bool(query.conditions)


def page(search: Search, size: int, last: Sequence[Any] | None = None, offset: int = 0) -> Select[Any]:
    """`size` answers, after the one whose order values were `last`; the order values of each answer are the
    last columns of its row. The rows may come in another order: see `in_order`.

    Rows to skip, or in another order, are not read before the page's keys are found. With candidates, those
    would have to be sorted, which misleads a planner told to avoid it: ask for `keys`, then for `rows`.
    """
    walked = search.walks and not search.joined and (offset or search.query.order)
    if not keys_first(search) and not walked:
        return _cut(search, _columns(search).where(*search.joined), size, last, offset)
    found = keys(search, size, last, offset).subquery()
    return _columns(search).select_from(search.source().join(found, found.c.pk == search.table.c.pk))


def keys(search: Search, size: int, last: Sequence[Any] | None = None, offset: int = 0) -> Select[int]:
    """The keys of the rows that `page` answers with."""
    return _cut(search.bare(), select(search.table.c.pk), size, last, offset)


def rows(search: Search, found: Sequence[int]) -> Select[Any]:
    """The rows of `page` for these keys: see `in_order`."""
    selected = _columns(search).select_from(search.source())
    return selected.where(search.table.c.pk.in_(search.conditions.keys(found)))


def in_order(search: Search, found: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    """Sorted here: with an outer ORDER BY, a planner told to avoid sorting reads the whole index."""
    if not keys_first(search) and not (search.walks and not search.joined):
        return found
    return sort_rows(found, terms_of(search.query, search.walks))


def order_values(search: Search, row: Row[Any]) -> Sequence[Any]:
    """The order values of a row of `page`: where the next page begins."""
    return row[-len(terms_of(search.query, search.walks)) :]


def count(search: Search, at_most: int | None = None) -> Select[Any]:
    """The number of matches, counted no further than one above `at_most`."""
    bare = replace(search, query=replace(search.query, include=(), order=()))
    if at_most is not None:
        met = bare.hinted(bare.matching(select(_ONE), bare.owned()))
        return select(func.count()).select_from(met.limit(at_most + 1).subquery())
    owner = search.table.c.org_id
    owned = (unindexed(owner) if search.query.conditions else owner) == search.organization
    return bare.matching(select(func.count()), owned)


def tallied(search: Search, at_most: int) -> Select[int, int]:
    """Without conditions: how many there are, by the organisation's head, and how many of those were
    stored after `until`, counted no further than one above `at_most`."""
    query, head = search.query, tables.org_heads
    total: ColumnElement[int] = head.c[search.table.name]
    if query.level is Level.STUDY and not query.expected:
        total = total - head.c[tables.ANNOUNCED]
    if query.until is None:
        return select(total, literal_column("0", BigInteger)).where(head.c.org_id == search.organization)
    every = replace(search, query=replace(query, until=None))
    mine = unindexed(search.table.c.org_id) == search.organization
    newer = every.matching(select(_ONE), mine).where(search.table.c.pk > query.until)
    counted = select(func.count()).select_from(newer.limit(at_most + 1).subquery()).scalar_subquery()
    return select(total, counted).where(head.c.org_id == search.organization)


def newest(search: Search, sample: int, reach: int) -> Select[Any]:
    """How many of `sample` rows match, how many were tested, and the order values of the row after the
    newest `reach`, or NULLs: all within the range of days."""
    terms, ordered = terms_of(search.query, search.walks), order_by(search.query, search.walks)
    inside = (search.owned(), *search.clauses_of(_STUDY_DATE))
    fits = case((and_(true(), *search.fits()), 1)).label("fits")
    tested = search.hinted(select(fits).select_from(search.bare().source()).where(*inside))
    tested = tested.where(search.table.c.pk % literal_column(str(STRIDE), BigInteger) == 0)
    tried = tested.order_by(*ordered).limit(sample).subquery()
    far = search.hinted(select(*(term.expression for term in terms)).where(*inside))
    edge = far.order_by(*ordered).offset(reach).limit(1).subquery()
    counts = select(func.count(tried.c.fits).label("fitting"), func.count().label("tried")).subquery()
    return select(counts, *edge.c).select_from(counts.outerjoin(edge, true()))


def last_key(search: Search) -> ColumnElement[Any]:
    """The highest key of this level; entities stored later have higher ones."""
    return select(func.max(search.table.c.pk)).scalar_subquery()


def _columns(search: Search) -> Select[Any]:
    columns = [TABLES[a.level].c[a.column] for a in search.query.include]
    terms = terms_of(search.query, search.walks)
    return select(*columns, *search.extra, *(term.expression for term in terms))


def _cut(
    search: Search, selected: Select[Any], size: int, last: Sequence[Any] | None, offset: int
) -> Select[Any]:
    """The matching rows in their order, from `last` to the search's edge."""
    terms = terms_of(search.query, search.walks)
    found = search.hinted(search.matching(selected, search.owned()))
    if last is not None:
        found = found.where(after(terms, last))
    if search.edge is not None:
        found = found.where(up_to(terms, search.edge))
    found = found.order_by(*order_by(search.query, search.walks)).limit(size)
    return found.offset(offset) if offset else found
