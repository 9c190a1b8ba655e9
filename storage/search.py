"""Questions answered from the index, a page at a time (PS3.4 §C.4.1).

A page is at most four statements, two of which set PostgreSQL's planner, one more when it is
counted, and a moment of its own: between pages no transaction is open.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import Connection, Row, func, select

from pacs.attributes import BY_KEYWORD, Attribute, Matching
from pacs.model import Blob, Identity, StoredInstance, Values
from pacs.query import Found, Query
from storage.database import Database
from storage.search_conditions import Conditions
from storage.search_cost import STATEMENT_TIMEOUT, bounded
from storage.search_plan import Planner
from storage.search_statement import Page
from storage.tables import blobs, instances, versions

FIRST_PAGE = 101
"""A viewer's first page and one answer more: how one sees that there are more."""
NEXT_PAGES = 500
LOCATED = 10_000
"""Instances of one page when all are wanted before the first is used: each page sorts the whole study."""

COUNTED = 50_000
COUNTED_MATCHING = 2_000
"""How many are counted beside a page, of everything and of what a key selects: along the order of a
million studies two thousand matches of a common name cost 30 ms, all of them 2 s."""
SLOW = 0.1
"""Seconds that a page may take to be met along the order if all its matches are to be counted too."""

_PLAIN = {
    "enable_seqscan": "off",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "plan_cache_mode": "force_custom_plan",
    **STATEMENT_TIMEOUT,
}
"""PostgreSQL's planner: by the values asked for, never everything, and no machinery meant for reports."""
_IN_ORDER = {"enable_bitmapscan": "off", "enable_sort": "off"}
"""Where nothing was found to be rare, it is not to guess otherwise."""

_IDENTITY = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")


def find(database: Database, organization: int, query: Query) -> Iterator[Values]:
    """The matches, in the query's order."""
    page = Page(organization, query, Conditions(database.dialect), None)
    for row in _rows(database, page, FIRST_PAGE, NEXT_PAGES):
        yield _values(query.include, row)


def page(database: Database, organization: int, query: Query) -> Found:
    """`limit` answers behind `offset` at one moment, and how many there are."""
    limit = query.limit
    assert limit is not None
    asked = Page(organization, query, Conditions(database.dialect), None)
    with _reading(database) as connection:
        planned = _planned(connection, asked)
        if planned.start is not None and not planned.start.keys:
            return Found([], more=False, total=0)
        _along(connection, planned)
        begin = time.monotonic()
        with_last = replace(planned, extra=(planned.last(),))
        rows = connection.execute(with_last.statement(limit + 1, None, query.offset)).all()
        answers, more = [_values(query.include, row) for row in rows[:limit]], len(rows) > limit
        if not more and (rows or not query.offset):
            return Found(answers, more, query.offset + len(rows))
        walking = planned.start is None and bool(query.conditions)
        total = None
        if not walking or time.monotonic() - begin < SLOW:
            total = _counted(connection, planned, COUNTED_MATCHING if query.conditions else COUNTED)
        return Found(answers, more, total, rows[0][len(query.include)] if more else None)


def _counted(connection: Connection, planned: Page, cap: int) -> int | None:
    found = int(connection.execute(planned.count(cap)).scalar_one())
    return found if found <= cap else None


def count(database: Database, organization: int, query: Query) -> int:
    page = Page(organization, query, Conditions(database.dialect), None)
    with _reading(database) as connection:
        return int(connection.execute(_planned(connection, page).count()).scalar_one())


def locate(database: Database, organization: int, query: Query) -> Iterator[StoredInstance]:
    """The current version of each instance that an IMAGE-level query selects."""
    identity = tuple(BY_KEYWORD[keyword] for keyword in _IDENTITY)
    columns = (versions.c.transfer_syntax, versions.c.blob, blobs.c.size, versions.c.dataset_offset)
    query = replace(query, include=identity)
    page = Page(organization, query, Conditions(database.dialect), None, columns)
    for row in _rows(database, page, LOCATED, LOCATED):
        *uids, transfer_syntax, address, size, offset = tuple(row)[:8]
        yield StoredInstance(Identity(*uids), transfer_syntax, Blob(address, size), offset)


def _rows(database: Database, page: Page, first: int, following: int) -> Iterator[Row[Any]]:
    query = page.query
    left, size, offset = query.limit, first, query.offset
    after: Sequence[Any] | None = None
    planned: Page | None = None
    while left is None or left > 0:
        wanted = size if left is None else min(size, left)
        with _reading(database) as connection:
            planned = planned or _planned(connection, page)
            if planned.start is not None and not planned.start.keys:
                return
            _along(connection, planned)
            statement = planned.statement(wanted, after, offset)
            rows = connection.execute(_with_versions(statement) if page.extra else statement).all()
        yield from rows
        if len(rows) < wanted:
            return
        after, offset, size = rows[-1][-len(planned.order()) :], 0, following
        left = None if left is None else left - len(rows)


@contextmanager
def _reading(database: Database) -> Iterator[Connection]:
    with database.read() as connection:
        _set(connection, _PLAIN)
        with bounded(connection):
            yield connection


def _along(connection: Connection, planned: Page) -> None:
    if planned.start is None and not planned.query.order:
        _set(connection, _IN_ORDER)


def _set(connection: Connection, settings: Mapping[str, str]) -> None:
    """PostgreSQL's settings, until this transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(*(func.set_config(name, value, True) for name, value in settings.items())))


def _planned(connection: Connection, page: Page) -> Page:
    """Planned once: the order of a search must not change on its way."""
    return replace(page, start=Planner(page.organization, page.conditions).choose(connection, page.query))


def _with_versions(statement: Any) -> Any:
    return statement.where(
        versions.c.instance_pk == instances.c.pk,
        versions.c.n == instances.c.current_version,
        blobs.c.address == versions.c.blob,
    )


def _values(include: Sequence[Attribute], row: Row[Any]) -> Values:
    return {
        attribute.keyword: orjson.loads(value) if attribute.matching is Matching.SEQUENCE else value
        for attribute, value in zip(include, row, strict=False)
        if value is not None and value != ""
    }
