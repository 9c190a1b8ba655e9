"""What a database is really sent: seen by SQLite itself, and in PostgreSQL's own log."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event

from storage.database import Database

_LOGGED = re.compile(r" LOG:  (?:statement|execute [^:]*): (.*)")
_FRAME = re.compile(r"BEGIN|ROLLBACK|COMMIT|(SELECT 1)?;?$|SET log_statement ")
"""What begins and ends a transaction, the ping of a pool, and our own."""

_INWARD = re.compile(r"^--|'main'\.")
"""What SQLite asks of itself, in triggers and full-text tables."""


@contextmanager
def sent(database: Database) -> Iterator[Callable[[], list[str]]]:
    """The statements that searches have sent so far, whoever set the connection up."""
    watch = _traced if database.dialect == "sqlite" else _logged
    with watch(database) as seen:
        yield lambda: [one for one in seen() if not _FRAME.match(one)]


@contextmanager
def _traced(database: Database) -> Iterator[Callable[[], list[str]]]:
    seen: list[str] = []

    def note(statement: str) -> None:
        if not _INWARD.search(statement):
            seen.append(statement)

    with _at_checkout(database, lambda driver: driver.set_trace_callback(note)):
        yield lambda: list(seen)
    with database.search() as connection:
        driver: Any = connection.connection.dbapi_connection
        driver.set_trace_callback(None)


@contextmanager
def _logged(database: Database) -> Iterator[Callable[[], list[str]]]:
    """The cluster writes its log beside its socket (`tests.servers`)."""
    log = Path(str(database._searcher.url.query["host"])) / "log"
    begin = log.stat().st_size

    def watch(driver: Any) -> None:
        driver.execute("SET log_statement = 'all'")
        driver.commit()

    def seen() -> list[str]:
        with log.open("rb") as file:
            file.seek(begin)
            return _LOGGED.findall(file.read().decode(errors="replace"))

    with _at_checkout(database, watch):
        yield seen


@contextmanager
def _at_checkout(database: Database, act: Callable[[Any], None]) -> Iterator[None]:
    def taken(driver: Any, *_: Any) -> None:
        act(driver)

    event.listen(database._searcher, "checkout", taken)
    try:
        yield
    finally:
        event.remove(database._searcher, "checkout", taken)
