"""The tallies in the heads of organisations against the rows that they count.

A row and the tally of it change in one transaction, so that both are the same in any snapshot: one statement
sees a wrong tally without locking anything. To correct it, the head is locked while its rows are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from sqlalchemy import ColumnElement, Connection, func, select, update

from storage.announced import ANNOUNCED_ONLY
from storage.database import Database
from storage.tables import ANNOUNCED, instances, org_heads, patients, series, studies
from storage.upkeep.counts import Miscount


def _count(*where: ColumnElement[bool]) -> ColumnElement[int]:
    return select(func.count()).where(*where).scalar_subquery()


_TRUTH: Mapping[str, ColumnElement[int]] = MappingProxyType(
    {
        **{t.name: _count(t.c.org_id == org_heads.c.org_id) for t in (patients, studies, series, instances)},
        ANNOUNCED: _count(studies.c.org_id == org_heads.c.org_id, ANNOUNCED_ONLY),
    }
)


def mistallied(database: Database) -> Iterator[Miscount]:
    """Every tally that is wrong; safe while objects are being stored."""
    for name in _TRUTH:
        with database.read() as connection:
            found = _wrong(connection, name)
        yield from found


def retally(database: Database) -> int:
    """Correct them; returns how many were wrong."""
    corrected = 0
    for wrong in list(mistallied(database)):
        this = org_heads.c.org_id == wrong.organization
        with database.write() as connection:
            connection.execute(select(org_heads.c.org_id).where(this).with_for_update())
            for still in _wrong(connection, wrong.column, this):
                connection.execute(update(org_heads).where(this).values({still.column: still.counted}))
                corrected += 1
    return corrected


def _wrong(connection: Connection, name: str, *heads: ColumnElement[bool]) -> list[Miscount]:
    tallied = select(org_heads.c.org_id, org_heads.c[name], _TRUTH[name]).where(*heads)
    return [
        Miscount(organization, f"organization/{organization}", name, kept, counted)
        for organization, kept, counted in connection.execute(tallied)
        if kept != counted
    ]
