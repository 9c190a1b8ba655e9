"""Match keys are derived from the stored values: recomputed here when their derivation changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select, update

from pacs.attributes import KEYED, LEVELS, Attribute, Level, at_level
from storage.database import Database
from storage.rows import matching_key
from storage.search_conditions import TABLES

_STRETCH = 1000
"""Rows read at a time."""


def rekey(database: Database) -> int:
    """Returns how many rows had outdated keys. Instances received meanwhile have current keys already."""
    return sum(_rekey(database, level) for level in LEVELS)


def _rekey(database: Database, level: Level) -> int:
    table = TABLES[level]
    keyed = [a for a in at_level(level) if a.matching in KEYED and not a.computed]
    columns = [table.c[name] for a in keyed for name in (a.column, a.key_column)]
    page = select(table.c.pk, *columns).where(table.c.pk > bindparam("after")).order_by(table.c.pk)
    changed = after = 0
    while True:
        with database.read() as connection:
            found = connection.execute(page.limit(_STRETCH), {"after": after}).mappings().all()
        for row in found:
            if stale := _stale(keyed, row):
                unchanged = (table.c[name] == row[name] for name in stale if row[name] is not None)
                with database.write() as connection:  # one row at a time: senders lock several
                    connection.execute(update(table).where(table.c.pk == row["pk"], *unchanged).values(stale))
                changed += 1
        if len(found) < _STRETCH:
            return changed
        after = found[-1]["pk"]


def _stale(keyed: Sequence[Attribute], row: Mapping[Any, Any]) -> dict[str, Any]:
    """The key columns whose values are outdated, with the new ones."""
    made = {a.key_column: matching_key(a, text) if (text := row[a.column]) else None for a in keyed}
    return {column: key for column, key in made.items() if row[column] != key}
