"""Verifying the audit trail's hash chain. The trail is written by `storage.feeds`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select

from storage.chain import Row, first_broken
from storage.database import Database
from storage.tables import audit, org_heads

_PIECE = 1000  # rows in memory at a time


def verify(database: Database, organization: int) -> int | None:
    """The number of the first audit record that is missing or altered; None when there is none."""
    with database.read() as connection:
        wanted = select(org_heads).where(org_heads.c.org_id == organization)
        head = connection.execute(wanted).mappings().one()
        rows = _rows(connection, organization, head["audit_seq"])
        return first_broken(rows, head["audit_seq"], head["audit_hash"])


@dataclass(frozen=True, slots=True)
class Checked:
    """Verified up to record `seq`, with hash `hash`. `broken`: see `verify`; `at_end`: no more rows."""

    broken: int | None
    seq: int
    hash: str
    at_end: bool


def verify_some(database: Database, organization: int, after: tuple[int, str], limit: int) -> Checked:
    """Verify the next `limit` records after the one whose number and hash are `after`."""
    with database.read() as connection:
        wanted = select(org_heads).where(org_heads.c.org_id == organization)
        head = connection.execute(wanted).mappings().one()
        seq, end = head["audit_seq"], head["audit_hash"]
        at_end = seq <= after[0] + limit
        if not at_end:
            seq = after[0] + limit
            last = select(audit.c.hash).where(audit.c.org_id == organization, audit.c.seq == seq)
            end = connection.execute(last).scalar() or ""
        broken = first_broken(_rows(connection, organization, seq, after[0]), seq, end, after)
        return Checked(broken, seq, end, at_end)


def _rows(connection: Connection, organization: int, last: int, after: int = 0) -> Iterator[Row]:
    """Up to the head that was read, as later rows may be committed meanwhile."""
    mine = audit.c.org_id == organization, audit.c.seq > after, audit.c.seq <= last
    rows = select(audit).where(*mine).order_by(audit.c.seq)
    streamed = connection.execution_options(yield_per=_PIECE).execute(rows)
    for row in streamed.mappings():
        yield dict(row)
