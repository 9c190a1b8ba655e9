"""Match keys are derived from the stored values: recomputed here when their derivation changes.

So are the values themselves where an earlier build kept padding, and with them whose study it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select, update

from pacs.attributes import KEYED, LEVELS, Attribute, Level, kept_at
from storage.database import Database
from storage.rows import matching_key, unpadded
from storage.tables import TABLES
from storage.upkeep.rejoin import rejoin

_STRETCH = 1000
"""Rows read at a time."""
_PADDED = ("LO", "SH")
"""VRs whose values earlier builds kept with the spaces before them."""


def rekey(database: Database) -> int:
    """Returns how many rows were outdated. Instances received meanwhile have current keys already."""
    return rejoin(database) + sum(_rekey(database, level) for level in LEVELS)


def _rekey(database: Database, level: Level) -> int:
    table = TABLES[level]
    known = [a for a in kept_at(level) if not a.computed and (a.matching in KEYED or a.vr in _PADDED)]
    columns = {table.c[name] for a in known for name in (a.column, a.key_column)}
    page = select(table.c.pk, *columns).where(table.c.pk > bindparam("after")).order_by(table.c.pk)
    changed = after = 0
    while True:
        with database.read() as connection:
            found = connection.execute(page.limit(_STRETCH), {"after": after}).mappings().all()
        for row in found:
            if stale := _stale(known, row):
                unchanged = (table.c[name] == row[name] for name in stale if row[name] is not None)
                with database.write() as connection:  # one row at a time: senders lock several
                    connection.execute(update(table).where(table.c.pk == row["pk"], *unchanged).values(stale))
                changed += 1
        if len(found) < _STRETCH:
            return changed
        after = found[-1]["pk"]


def _stale(known: Sequence[Attribute], row: Mapping[Any, Any]) -> dict[str, Any]:
    """The columns whose values are outdated, with the new ones."""
    made: dict[str, Any] = {}
    for attribute in known:
        text = row[attribute.column]
        if text and attribute.vr in _PADDED:
            text = made[attribute.column] = unpadded(text) or None
        if attribute.matching in KEYED:
            made[attribute.key_column] = matching_key(attribute, text) if text else None
    return {column: value for column, value in made.items() if row[column] != value}
