"""Watches in which order transactions lock rows on PostgreSQL, so that no two can ever wait for each other.

The order is that of `storage.tables`: patient, study, series, blob, job, organisation's head, and within a
table that of the keys. SQLite has one writer at a time, and so no order that could be broken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import event
from sqlalchemy.pool import Pool

ORDER = {
    "patients": ("org_id", "identity"),
    "studies": ("org_id", "study_instance_uid"),
    "series": (),  # in any order, as their studies are locked
    "blobs": ("address",),
    "jobs": (),  # enqueued by their studies, or taken without waiting
    "org_heads": ("org",),
}
"""The parameters that hold the key by which several rows of the table are locked."""

_LOCKING = re.compile(
    r"(?:UPDATE|DELETE FROM) (?P<changed>\w+)\s.*\sWHERE\s"  # without a condition: a test that clears tables
    r"|INSERT INTO (?P<inserted>\w+)\s.*\sON CONFLICT\s"
    r"|SELECT\s.*\sFROM (?P<held>\w+)\s.*\sFOR (?:NO KEY )?UPDATE",
    re.DOTALL,
)

_MIGRATING = "SELECT pg_advisory_xact_lock"
"""Begins a migration, which locks whole tables: no order of rows could help it."""

Key = tuple[Any, ...]


@dataclass(slots=True)
class Locks:
    """The rows that one transaction has locked, by table."""

    rows: dict[str, list[Key]] = field(default_factory=dict)
    migrating: bool = False

    def fault(self, statement: str, values: Any) -> str | None:
        """What is wrong with executing this now. Changes name rows by number, so one of a table of which rows
        are locked is taken for a change of these."""
        self.migrating = self.migrating or statement.startswith(_MIGRATING)
        found = None if self.migrating else _LOCKING.match(statement)
        table = next(filter(None, found.groups())) if found else ""
        if found is None or table not in ORDER or (found["changed"] and table in self.rows):
            return None
        locked = self.rows.setdefault(table, [])
        key = tuple(values[name] for name in ORDER[table] if isinstance(values, dict) and name in values)
        if key and key in locked:
            return None
        before, locked[len(locked) :] = locked[-1:], [key]
        tables = list(ORDER)
        later = [other for other in tables[tables.index(table) + 1 :] if other in self.rows]
        if later:
            return f"{table} after {', '.join(later)}: {statement}"
        return f"{table}: {key} after {before[0]}" if key and before and key < before[0] else None


class Watching(psycopg.Cursor[Any]):
    faults: list[str]

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        self._watch(query, [params])
        return super().execute(query, params, **options)

    def executemany(self, query: Any, params_seq: Any, **options: Any) -> None:
        self._watch(query, params_seq)
        super().executemany(query, params_seq, **options)

    def _watch(self, query: Any, many: Iterable[Any]) -> None:
        connection: Any = self.connection
        if connection.info.transaction_status is TransactionStatus.IDLE:
            connection.locks = Locks()
        self.faults += filter(None, (connection.locks.fault(str(query), values) for values in many))


@contextmanager
def watched() -> Iterator[list[str]]:
    """What is done wrong by the transactions of connections made in here."""
    faults: list[str] = []
    cursor = type("Watching", (Watching,), {"faults": faults})

    def connected(connection: Any, _: object) -> None:
        if isinstance(connection, psycopg.Connection):
            connection.cursor_factory = cursor

    event.listen(Pool, "connect", connected)
    try:
        yield faults
    finally:
        event.remove(Pool, "connect", connected)
