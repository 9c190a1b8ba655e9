"""The change feed of an organisation: what happened, numbered without gaps, in the order of commits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select

from storage.database import Database
from storage.tables import changes


@dataclass(frozen=True, slots=True)
class Change:
    seq: int
    at: datetime
    kind: str
    resource: str
    payload: Mapping[str, Any]
    correlation_id: str


def read(database: Database, organization: int, after: int, limit: int) -> list[Change]:
    """The events with a greater number than `after`, oldest first."""
    columns = [c for c in changes.c if c.name != "org_id"]
    wanted = select(*columns).where(changes.c.org_id == organization, changes.c.seq > after)
    with database.read() as connection:
        rows = connection.execute(wanted.order_by(changes.c.seq).limit(limit)).mappings().all()
    return [Change(**{**row, "payload": orjson.loads(row["payload"])}) for row in rows]
