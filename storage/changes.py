"""Reading the change feed. Readers are told when changes are no longer known: old ones are removed
(`storage.upkeep.history`), and an older copy of the database, once restored, assigns their numbers anew."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import orjson
from sqlalchemy import select

from pacs.errors import ChangesGone
from pacs.feed import Change
from storage.database import Database
from storage.tables import changes, org_heads

_COLUMNS = [column for column in changes.c if column.name != "org_id"]


@dataclass(frozen=True, slots=True)
class SqlChangeFeed:
    """Implements `pacs.ports.ChangeFeed`."""

    database: Database

    def read(self, organization: int, after: int | None, limit: int) -> list[Change]:
        wanted = select(*_COLUMNS).where(changes.c.org_id == organization, changes.c.seq > (after or 0))
        with self.database.read() as connection:
            rows = connection.execute(wanted.order_by(changes.c.seq).limit(limit)).mappings().all()
        if after is not None and rows and rows[0]["seq"] > after + 1:
            raise ChangesGone(rows[0]["seq"] - 1)
        if after and not rows and after > (head := self.heads([organization]).get(organization, 0)):
            raise ChangesGone(head)
        return [Change(**{**row, "payload": orjson.loads(row["payload"])}) for row in rows]

    def heads(self, organizations: Iterable[int]) -> dict[int, int]:
        wanted = select(org_heads.c.org_id, org_heads.c.change_seq)
        with self.database.read() as connection:
            rows = connection.execute(wanted.where(org_heads.c.org_id.in_(list(organizations))))
            return {row.org_id: row.change_seq for row in rows}
