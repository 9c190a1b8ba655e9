"""The time limit of one search, after which it is cancelled.

A rare value of an attribute without an index is searched row by row. No user waits long for that, and a
few such queries must not occupy every connection.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from pacs.errors import QueryTooCostly
from storage.engines import SEARCH_TIMEOUT

_STEPS = 20_000
"""Instructions of SQLite's virtual machine between two checks of the clock: about a millisecond."""
_QUERY_CANCELED = "57014"  # PostgreSQL Appendix A, class 57


@contextmanager
def bounded(connection: Connection) -> Iterator[None]:
    """`QueryTooCostly` when the statements inside take longer; in PostgreSQL, where `Database.search` bounds
    each, when any one of them does."""
    driver: Any = connection.connection.dbapi_connection
    embedded = isinstance(driver, sqlite3.Connection)
    if embedded:
        end = time.monotonic() + SEARCH_TIMEOUT
        driver.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        yield
    except DBAPIError as error:
        if _given_up(error):
            raise QueryTooCostly from error
        raise
    finally:
        if embedded:
            driver.set_progress_handler(None, 0)


def _given_up(error: DBAPIError) -> bool:
    if getattr(error.orig, "sqlstate", None) == _QUERY_CANCELED:
        return True
    return getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
