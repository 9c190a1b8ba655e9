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
from pacs.search.query import Query, ResultPage
from storage.database import Database
from storage.search import statement, tuning
from storage.search.plan import candidates, is_sampled, sampled
from storage.search.selection import Search, as_studies_say
from storage.search.time_limit import bounded
from storage.tables import blobs, instances, versions

_CURRENT = (
    versions.c.instance_pk == instances.c.pk,
    versions.c.n == instances.c.current_version,
    blobs.c.address == versions.c.blob,
)
_IDENTITY = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")


def find(database: Database, organization: int, query: Query) -> Iterator[Values]:
    """All matches, in the query's order."""
    search = Search(organization, as_studies_say(query), database.dialect)
    for row in _rows(database, search, tuning.FIRST_PAGE, tuning.NEXT_PAGES):
        yield _values(query.include, row)


def page(database: Database, organization: int, query: Query) -> ResultPage:
    """`limit` answers after `offset` in one snapshot, and the number of matches."""
    limit = query.limit
    assert limit is not None
    search = Search(organization, as_studies_say(query), database.dialect)
    search = replace(search, extra=(statement.last_key(search),))
    with _searching(database) as connection:
        first = _first_page(connection, search, limit + 1, query.offset, counting=True)
        rows, total = first.rows, first.total
        answers, more = [_values(query.include, row) for row in rows[:limit]], len(rows) > limit
        if not more and (rows or not query.offset):
            return ResultPage(answers, more, query.offset + len(rows))
        if not statement.keys_first(search):
            total = _total(connection, first.planned)
        return ResultPage(answers, more, total, rows[0][len(query.include)] if more else None)


def count(database: Database, organization: int, query: Query) -> int:
    search = Search(organization, as_studies_say(query), database.dialect)
    with _searching(database) as connection:
        return int(connection.execute(statement.count(_planned(connection, search))).scalar_one())


def locate(database: Database, organization: int, query: Query) -> Iterator[StoredInstance]:
    """The current version of each instance that an IMAGE-level query selects."""
    identity = tuple(BY_KEYWORD[keyword] for keyword in _IDENTITY)
    columns = (versions.c.transfer_syntax, versions.c.blob, blobs.c.size, versions.c.dataset_offset)
    query = replace(query, include=identity)
    search = Search(organization, as_studies_say(query), database.dialect, extra=columns, joined=_CURRENT)
    for row in _rows(database, search, tuning.LOCATED, tuning.LOCATED):
        *uids, transfer_syntax, address, size, offset = tuple(row)[:8]
        yield StoredInstance(Identity(*uids), transfer_syntax, Blob(address, size), offset)


@dataclass(frozen=True, slots=True)
class _FirstPage:
    """`planned`: the way to the pages that follow. `total`: the number of matches, if it became known."""

    planned: Search
    rows: Sequence[Row[Any]]
    total: int | None = None


def _first_page(
    connection: Connection, search: Search, size: int, offset: int, *, counting: bool = False
) -> _FirstPage:
    """Steps 1 to 5 of `storage.search.plan`."""
    all_within_reach = rare = False
    if is_sampled(search, counting):
        sample = sampled(connection, search)
        all_within_reach, rare = sample.edge is None, sample.matched == 0
        if sample.promises(offset + size):
            walk = replace(search, edge=sample.edge)
            first = _read(connection, walk, size, offset, counting and all_within_reach)
            if all_within_reach or len(first.rows) == size:
                return replace(first, planned=search)
    planned = _planned(connection, search, rare=rare)
    if planned.candidates is not None and not planned.candidates.keys:
        return _FirstPage(planned, [], 0)
    return _read(connection, planned, size, offset, counting and (all_within_reach or not planned.walks))


def _planned(connection: Connection, search: Search, *, rare: bool = False) -> Search:
    """Plan once, as the plan of a search must not change between its pages."""
    return replace(search, candidates=candidates(connection, search, rare=rare))


def _read(connection: Connection, planned: Search, size: int, offset: int, counting: bool) -> _FirstPage:
    if not (counting and statement.keys_first(planned)):
        return _FirstPage(planned, _fetched(connection, planned, size, None, offset))
    most = min(max(tuning.COUNTED_KEYS + 1, offset + size), tuning.MOST_KEYS)
    keys = connection.execute(statement.keys(planned, most)).scalars().all()
    rows = _rows_of(connection, planned, keys[offset : offset + size])
    return _FirstPage(planned, rows, len(keys) if len(keys) <= tuning.COUNTED_KEYS else None)


def _fetched(
    connection: Connection, planned: Search, size: int, after: Sequence[Any] | None, offset: int
) -> Sequence[Row[Any]]:
    if statement.keys_first(planned) and not planned.walks:
        keys = connection.execute(statement.keys(planned, size, after, offset)).scalars().all()
        return _rows_of(connection, planned, keys)
    found = connection.execute(statement.page(planned, size, after, offset)).all()
    return statement.in_order(planned, found)


def _rows_of(connection: Connection, planned: Search, keys: Sequence[int]) -> Sequence[Row[Any]]:
    if not keys:
        return []
    return statement.in_order(planned, connection.execute(statement.rows(planned, keys)).all())


def _total(connection: Connection, planned: Search) -> int | None:
    """From the organisation's tallies if they tell it; otherwise counted, if that is quick."""
    if planned.walks:
        tallied, later = connection.execute(statement.tallied(planned, tuning.COUNTED_LATER)).one()
        if planned.is_tallied:
            return tallied - later if later <= tuning.COUNTED_LATER else None
        if tallied > tuning.COUNTED_AMONG:
            return None
    found = int(connection.execute(statement.count(planned, tuning.COUNTED_KEYS)).scalar_one())
    return found if found <= tuning.COUNTED_KEYS else None


def _rows(database: Database, search: Search, first: int, following: int) -> Iterator[Row[Any]]:
    """All rows, in pages, each in a transaction of its own."""
    query = search.query
    left, size, offset = query.limit, first, query.offset
    after: Sequence[Any] | None = None
    planned: Search | None = None
    while left is None or left > 0:
        wanted = size if left is None else min(size, left)
        with _searching(database) as connection:
            if after is None:
                begun = _first_page(connection, search, wanted, offset)
                planned, rows = begun.planned, begun.rows
            else:
                planned = planned or _planned(connection, search)
                rows = _fetched(connection, planned, wanted, after, 0)
        yield from rows
        if len(rows) < wanted:
            return
        last = statement.order_values(planned, rows[-1])
        if after is None and planned.walks and statement.keys_first(planned):
            planned = None  # values common here may be rare further on
        after, offset, size = last, 0, following
        left = None if left is None else left - len(rows)


@contextmanager
def _searching(database: Database) -> Iterator[Connection]:
    with database.search() as connection, bounded(connection):
        yield connection


def _values(include: Sequence[Attribute], row: Row[Any]) -> Values:
    return {
        attribute.keyword: orjson.loads(value) if attribute.matching is Matching.SEQUENCE else value
        for attribute, value in zip(include, row, strict=False)
        if value is not None and value != ""
    }
