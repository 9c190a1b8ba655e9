"""Questions answered from the index, a page at a time (PS3.4 §C.4.1).

A page is at most four statements and its own moment: between pages no transaction is open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import Connection, Row, text

from pacs.attributes import BY_KEYWORD, Attribute, Matching
from pacs.model import Blob, Identity, StoredInstance, Values
from pacs.query import Query
from storage.database import Database
from storage.search_conditions import Conditions
from storage.search_plan import Planner
from storage.search_statement import Page
from storage.tables import blobs, instances, versions

FIRST_PAGE = 101
"""A viewer's first page and one answer more: how one sees that there are more."""
NEXT_PAGES = 500

_SETTINGS = text(
    "SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true), "
    "set_config('plan_cache_mode', 'force_custom_plan', true)"
)
"""PostgreSQL, for this transaction: plans by the values asked for, and never a scan of everything."""

_IDENTITY = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")


def find(database: Database, organization: int, query: Query) -> Iterator[Values]:
    """The matches, in the query's order."""
    page = Page(organization, query, Conditions(database.dialect), None)
    for row in _rows(database, page):
        yield _values(query.include, row)


def count(database: Database, organization: int, query: Query) -> int:
    page = Page(organization, query, Conditions(database.dialect), None)
    with _reading(database) as connection:
        return int(connection.execute(_planned(connection, page).count()).scalar_one())


def locate(database: Database, organization: int, query: Query) -> Iterator[StoredInstance]:
    """The current version of each instance that an IMAGE-level query selects."""
    identity = tuple(BY_KEYWORD[keyword] for keyword in _IDENTITY)
    columns = (versions.c.transfer_syntax, versions.c.blob, blobs.c.size, versions.c.dataset_offset)
    query = replace(query, include=identity)
    for row in _rows(database, Page(organization, query, Conditions(database.dialect), None, columns)):
        *uids, transfer_syntax, address, size, offset = tuple(row)[:8]
        yield StoredInstance(Identity(*uids), transfer_syntax, Blob(address, size), offset)


def _rows(database: Database, page: Page) -> Iterator[Row[Any]]:
    query = page.query
    left, size, offset = query.limit, FIRST_PAGE, query.offset
    after: Sequence[Any] | None = None
    planned: Page | None = None
    while left is None or left > 0:
        wanted = size if left is None else min(size, left)
        with _reading(database) as connection:
            planned = planned or _planned(connection, page)
            if planned.start is not None and not planned.start.keys:
                return
            statement = planned.statement(wanted, after, offset)
            rows = connection.execute(_with_versions(statement) if page.extra else statement).all()
        yield from rows
        if len(rows) < wanted:
            return
        after, offset, size = rows[-1][-len(planned.order()) :], 0, NEXT_PAGES
        left = None if left is None else left - len(rows)


@contextmanager
def _reading(database: Database) -> Iterator[Connection]:
    with database.read() as connection:
        if database.dialect == "postgresql":
            connection.execute(_SETTINGS)
        yield connection


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
