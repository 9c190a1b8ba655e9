"""Database errors as the archive's: unavailable, or full; after both a sender should try again later."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, TimeoutError

from pacs.errors import DatabaseDamaged, DatabaseUnavailable, StorageFull, Unavailable

_DISK_FULL = "53100"  # PostgreSQL Appendix A, class 53


def unavailable(error: DBAPIError) -> Unavailable | None:
    """None when the statement itself is at fault, so that repeating it would not help."""
    if getattr(error.orig, "sqlstate", None) == _DISK_FULL:
        return StorageFull()
    code = getattr(error.orig, "sqlite_errorcode", 0) or 0
    if code & 0xFF == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE:  # opening needs space
        return StorageFull()
    if code & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return DatabaseDamaged()
    if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
        return DatabaseUnavailable()
    return None


@contextmanager
def database_faults() -> Iterator[None]:
    """Translates SQLAlchemy's errors for an unavailable or full database."""
    try:
        yield
    except TimeoutError as error:
        raise DatabaseUnavailable("every connection is in use") from error
    except DBAPIError as error:
        if meaning := unavailable(error):
            raise meaning from error
        raise
