"""Answering queries from the index, a page at a time (PS3.4 §C.4.1).

A page is at most five statements in one snapshot; no transaction is open between pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import orjson
from sqlalchemy import Connection, Row

from pacs.attributes import BY_KEYWORD, Attribute, Matching
from pacs.model import Blob, Identity, StoredInstance, Values
from pacs.search.query import Found, Query
from storage.database import Database
from storage.search.conditions import Conditions
from storage.search.cost import bounded
from storage.search.plan import Planner
from storage.search.statement import Page
from storage.tables import blobs, instances, versions

FIRST_PAGE = 101
"""The first page of a viewer and one answer more, which shows whether there are more."""
NEXT_PAGES = 500
LOCATED = 10_000
"""Instances of one page when all are needed before the first is used, as each page sorts the whole study."""

COUNTED_AMONG = 50_000
"""Among how many rows matches are counted beside a page, where each must be looked at: 0.1 s."""
REACH = 5_000
"""Rows along the order that may be walked in hope, or counted among: some 20 ms."""
SAMPLE = 300
"""Rows among the newest, by which it is seen whether there is hope."""
HOPE = 1.25
"""How many times the page should be found within reach, for it to be tried."""
COUNTED_LATER = 10_000
"""Of those stored since the page that `Query.until` is of."""
COUNTED_KEYS = 10_000
"""How many matches are counted, at the most."""
MOST_KEYS = (1 << 31) - 1
"""PostgreSQL's integers, of which the limit of a SELECT is one here."""

_CURRENT = (
    versions.c.instance_pk == instances.c.pk,
    versions.c.n == instances.c.current_version,
    blobs.c.address == versions.c.blob,
)
_IDENTITY = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")


def find(database: Database, organization: int, query: Query) -> Iterator[Values]:
    """All matches, in the query's order."""
    for row in _rows(database, _asked(database, organization, query), FIRST_PAGE, NEXT_PAGES):
        yield _values(query.include, row)


def page(database: Database, organization: int, query: Query) -> Found:
    """`limit` answers after `offset` in one snapshot, and the number of matches."""
    limit = query.limit
    assert limit is not None
    asked = _asked(database, organization, query)
    asked = replace(asked, extra=(asked.last(),))
    with _searching(database) as connection:
        begun = _begun(connection, asked, limit + 1, query.offset, counting=True)
        rows, total = begun.rows, begun.total
        answers, more = [_values(query.include, row) for row in rows[:limit]], len(rows) > limit
        if not more and (rows or not query.offset):
            return Found(answers, more, query.offset + len(rows))
        if not asked.keys_first:
            total = _total(connection, begun.planned)
        return Found(answers, more, total, rows[0][len(query.include)] if more else None)


def _total(connection: Connection, planned: Page) -> int | None:
    conditions = planned.query.conditions
    if planned.start is None:
        tallied, later = connection.execute(planned.tallied(COUNTED_LATER)).one()
        if not conditions:
            return tallied - later if later <= COUNTED_LATER else None
        if tallied > COUNTED_AMONG:
            return None
    return _counted(connection, planned, COUNTED_KEYS)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A first page. `planned`: the way to those that follow. `total`: all matches, where that was seen."""

    planned: Page
    rows: Sequence[Row[Any]]
    total: int | None = None


def _begun(connection: Connection, asked: Page, size: int, offset: int, *, counting: bool = False) -> _Begun:
    """What is common among the newest is sought there first: finding out how many there are of it
    would cost as much as the page."""
    few = rare = False
    if _hopeful(asked, counting):
        fitting, tried, *edge = connection.execute(asked.newest(SAMPLE, REACH)).one()
        few, rare = edge[-1] is None, fitting == 0
        if fitting * REACH > HOPE * tried * (offset + size):
            hoped = replace(asked, edge=None if few else edge)
            begun = _read(connection, hoped, size, offset, counting and few)
            if few or len(begun.rows) == size:
                return replace(begun, planned=asked)
    planned = _planned(connection, asked, rare=rare)
    if planned.start is not None and not planned.start.keys:
        return _Begun(planned, [], 0)
    return _read(connection, planned, size, offset, counting and (few or planned.start is not None))


def _read(connection: Connection, planned: Page, size: int, offset: int, counting: bool) -> _Begun:
    if not (counting and planned.keys_first):
        return _Begun(planned, _fetched(connection, planned, size, None, offset))
    most = min(max(COUNTED_KEYS + 1, offset + size), MOST_KEYS)
    keys = connection.execute(planned.keys(most)).scalars().all()
    rows = _rows_of(connection, planned, keys[offset : offset + size])
    return _Begun(planned, rows, len(keys) if len(keys) <= COUNTED_KEYS else None)


def _fetched(
    connection: Connection, planned: Page, size: int, after: Sequence[Any] | None, offset: int
) -> Sequence[Row[Any]]:
    if planned.keys_first and planned.start is not None:
        keys = connection.execute(planned.keys(size, after, offset)).scalars().all()
        return _rows_of(connection, planned, keys)
    return planned.in_order(connection.execute(planned.statement(size, after, offset)).all())


def _rows_of(connection: Connection, planned: Page, keys: Sequence[int]) -> Sequence[Row[Any]]:
    return planned.in_order(connection.execute(planned.rows(keys)).all()) if keys else []


def _counted(connection: Connection, planned: Page, cap: int) -> int | None:
    found = int(connection.execute(planned.count(cap)).scalar_one())
    return found if found <= cap else None


def count(database: Database, organization: int, query: Query) -> int:
    asked = _asked(database, organization, query)
    with _searching(database) as connection:
        return int(connection.execute(_planned(connection, asked).count()).scalar_one())


def locate(database: Database, organization: int, query: Query) -> Iterator[StoredInstance]:
    """The current version of each instance that an IMAGE-level query selects."""
    identity = tuple(BY_KEYWORD[keyword] for keyword in _IDENTITY)
    columns = (versions.c.transfer_syntax, versions.c.blob, blobs.c.size, versions.c.dataset_offset)
    query = replace(query, include=identity)
    asked = replace(_asked(database, organization, query), extra=columns, joined=_CURRENT)
    for row in _rows(database, asked, LOCATED, LOCATED):
        *uids, transfer_syntax, address, size, offset = tuple(row)[:8]
        yield StoredInstance(Identity(*uids), transfer_syntax, Blob(address, size), offset)


def _rows(database: Database, page: Page, first: int, following: int) -> Iterator[Row[Any]]:
    query = page.query
    left, size, offset = query.limit, first, query.offset
    after: Sequence[Any] | None = None
    planned: Page | None = None
    while left is None or left > 0:
        wanted = size if left is None else min(size, left)
        with _searching(database) as connection:
            if after is None:
                begun = _begun(connection, page, wanted, offset)
                planned, rows = begun.planned, begun.rows
            else:
                planned = planned if planned else _planned(connection, page)
                rows = _fetched(connection, planned, wanted, after, 0)
        yield from rows
        if len(rows) < wanted:
            return
        behind = rows[-1][-len(planned.order()) :]
        if after is None and planned.start is None and planned.keys_first:
            planned = None  # what was soon met may be rare further on
        after, offset, size = behind, 0, following
        left = None if left is None else left - len(rows)


def _asked(database: Database, organization: int, query: Query) -> Page:
    return Page(organization, query, Conditions(database.dialect, indexed=False), None)


@contextmanager
def _searching(database: Database) -> Iterator[Connection]:
    with database.search() as connection, bounded(connection):
        yield connection


def _hopeful(asked: Page, counting: bool) -> bool:
    """Days alone are a range of the order: all that is not known of them is how many there are."""
    if not asked.keys_first or (asked.days_only and not counting):
        return False
    return not _planner(asked).looks_up(asked.query)


def _planned(connection: Connection, page: Page, *, rare: bool = False) -> Page:
    """Plan once, as the plan of a search must not change between its pages."""
    return replace(page, start=_planner(page).choose(connection, page.query, rare=rare))


def _planner(page: Page) -> Planner:
    return Planner(page.organization, Conditions(page.conditions.dialect))


def _values(include: Sequence[Attribute], row: Row[Any]) -> Values:
    return {
        attribute.keyword: orjson.loads(value) if attribute.matching is Matching.SEQUENCE else value
        for attribute, value in zip(include, row, strict=False)
        if value is not None and value != ""
    }
