"""Rows that a transaction has locked or inserted, so that their values stay true until it commits.

Inserting or removing a row, or receiving a study that was only announced, moves the organisation's tallies.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from pacs.attributes import Level
from pacs.model import Values
from pacs.namesakes import SHARED_ID, are_others
from storage.announced import is_announced_only
from storage.feeds import RetryTransaction, Transaction
from storage.rows import Row, attribute_row, item_rows, unknown
from storage.statements import first, run, scalar
from storage.tables import ANNOUNCED, TABLES, sequence_values
from storage.upsert import INSERT

UNIQUE = {
    Level.PATIENT: ("org_id", "identity"),
    Level.STUDY: ("org_id", "study_instance_uid"),
    Level.SERIES: ("study_pk", "series_instance_uid"),
}
"""The columns that find a row."""

_UPDATE = {table: update(table).where(table.c.pk == bindparam("locked")) for table in TABLES.values()}
_LOCK = {
    level: select(TABLES[level])
    .where(*(TABLES[level].c[name] == bindparam(name) for name in names))
    .with_for_update()
    for level, names in UNIQUE.items()
}
_INSERT_ITEMS = insert(sequence_values)
_REMOVE = {table: delete(table).where(table.c.pk == bindparam("locked")) for table in TABLES.values()}
_REMOVE_ITEMS = delete(sequence_values).where(
    sequence_values.c.level == bindparam("level"), sequence_values.c.owner == bindparam("owner")
)


class LockedRow:
    """One locked row. `flush` writes the assigned values."""

    __slots__ = ("_announced", "_changed", "_row", "_table", "level", "pk")

    def __init__(self, level: Level, row: Row) -> None:
        self.level = level
        self.pk: int = row["pk"]
        self._table: Table = TABLES[level]
        self._row = row
        self._changed: Row = {}
        self._announced = is_announced_only(row)  # as it is stored

    def __getitem__(self, column: str) -> Any:
        return self._row[column]

    def __setitem__(self, column: str, value: Any) -> None:
        if self._row[column] != value:
            self._row[column] = self._changed[column] = value

    @property
    def changed(self) -> bool:
        return bool(self._changed)

    def fill(self, connection: Connection, values: Values) -> None:
        """Fill in missing attributes. Present ones stay: the first instance decides."""
        fresh = unknown(self.level, self._row, values)
        if not fresh:
            return
        for column, value in attribute_row(self.level, fresh).items():
            if value is not None:
                self[column] = value
        insert_items(connection, item_rows(self._row["org_id"], self.level, self.pk, fresh))

    def flush(self, transaction: Transaction) -> None:
        if self._changed:
            run(transaction.connection, _UPDATE[self._table], [{**self._changed, "locked": self.pk}])
            self._changed = {}
            self._tally_announced(transaction, is_announced_only(self._row))

    def remove(self, transaction: Transaction) -> None:
        """Delete the row and its sequence items; it must have no children."""
        run(transaction.connection, _REMOVE_ITEMS, [_owner(self.level, self.pk)])
        run(transaction.connection, _REMOVE[self._table], [{"locked": self.pk}])
        transaction.tally(self._row["org_id"], self._table.name, -1)
        self._tally_announced(transaction, False)

    def _tally_announced(self, transaction: Transaction, now: bool) -> None:
        if now != self._announced:
            transaction.tally(self._row["org_id"], ANNOUNCED, now - self._announced)
            self._announced = now


def note_others(patient: LockedRow, study: LockedRow) -> None:
    """Flag the patient if the study says that it is of another person."""
    if not patient["patient_flags"]:
        said = (
            row[column] for row in (patient, study) for column in ("patient_name", "patient_birth_date_key")
        )
        if are_others(*said):
            patient["patient_flags"] = SHARED_ID


def _owner(level: Level, pk: int) -> dict[str, Any]:
    return {"level": level.value, "owner": pk}


def insert_items(connection: Connection, items: Iterator[Row]) -> None:
    if found := list(items):
        run(connection, _INSERT_ITEMS, found)


def lock_row(connection: Connection, level: Level, unique: Row) -> LockedRow | None:
    """Lock the row found by `unique`; None when there is none."""
    found = first(connection, _LOCK[level], unique)
    return None if found is None else LockedRow(level, found)


@cache
def _insert(level: Level, dialect: str) -> Any:
    table = TABLES[level]
    new = INSERT[dialect](table)
    return new.on_conflict_do_nothing(index_elements=UNIQUE[level]).returning(table.c.pk)


def lock_or_insert(
    transaction: Transaction, level: Level, row: Row, values: Values
) -> tuple[LockedRow, bool]:
    """The row, and whether it is new. `row`: columns besides those of `values`.

    Of concurrent transactions with the same new row, one inserts it and the others wait.
    """
    connection, unique = transaction.connection, {name: row[name] for name in UNIQUE[level]}
    if locked := lock_row(connection, level, unique):
        return locked, False
    whole = {**attribute_row(level, values), **row}
    pk = scalar(connection, _insert(level, connection.dialect.name), whole)
    if pk is None:
        locked = lock_row(connection, level, unique)
        if locked is None:
            raise RetryTransaction  # inserted by another transaction and deleted again
        return locked, False
    insert_items(connection, item_rows(row["org_id"], level, pk, values))
    transaction.tally(row["org_id"], TABLES[level].name, 1)
    transaction.tally(row["org_id"], ANNOUNCED, is_announced_only(row))
    return LockedRow(level, {**whole, "pk": pk}), True
