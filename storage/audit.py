"""Reading the audit trail back: whether its hash chain holds. It is written by `storage.feeds`."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, select

from storage.chain import Row, first_broken
from storage.database import Database
from storage.tables import audit, org_heads

_PIECE = 1000  # rows that are in memory at a time


def verify(database: Database, organization: int) -> int | None:
    """The number of the first audit record that is missing or altered; None when there is none."""
    with database.read() as connection:
        wanted = select(org_heads).where(org_heads.c.org_id == organization)
        head = connection.execute(wanted).mappings().one()
        rows = _rows(connection, organization, head["audit_seq"])
        return first_broken(rows, head["audit_seq"], head["audit_hash"])


def _rows(connection: Connection, organization: int, last: int) -> Iterator[Row]:
    """Up to the head that was read: later ones may be committed while we look."""
    rows = select(audit).where(audit.c.org_id == organization, audit.c.seq <= last).order_by(audit.c.seq)
    streamed = connection.execution_options(yield_per=_PIECE).execute(rows)
    for row in streamed.mappings():
        yield dict(row)
