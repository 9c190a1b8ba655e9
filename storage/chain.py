"""The audit trail's hash chain: each row's hash covers the row and the hash before it.

A changed, removed or inserted row breaks the chain there; the head in `org_heads` reveals a removed tail.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson
from blake3 import blake3

from pacs.model import AuditRecord
from storage.columns import micros

Row = dict[str, Any]


def audit_row(seq: int, at: datetime, record: AuditRecord, previous: str) -> Row:
    actor = record.actor
    row: Row = {
        "org_id": actor.organization,
        "seq": seq,
        "at": at,
        "actor_kind": actor.kind,
        "actor_name": actor.name,
        "actor_address": actor.address,
        "correlation_id": actor.correlation_id,
        "action": record.action,
        "outcome": record.outcome,
        "resource": record.resource,
        "details": orjson.dumps(dict(record.details), option=orjson.OPT_SORT_KEYS).decode(),
    }
    row["hash"] = link(row, previous)
    return row


_COVERED = (
    *("org_id", "seq", "actor_kind", "actor_name", "actor_address", "correlation_id"),
    *("action", "outcome", "resource", "details"),
)


def link(row: Row, previous: str) -> str:
    covered = [previous, micros(row["at"]), *(row[name] for name in _COVERED)]
    return blake3(orjson.dumps(covered)).hexdigest()


def first_broken(
    rows: Iterable[Row], last_seq: int, last_hash: str, after: tuple[int, str] = (0, "")
) -> int | None:
    """The number of the first missing or altered row; None when the chain holds.

    `rows`: those after `after`, in order. `last_seq` and `last_hash`: from the head.
    """
    seq, previous = after
    for row in rows:
        seq += 1
        if row["seq"] != seq or row["hash"] != link(row, previous):
            return seq
        previous = row["hash"]
    if seq != last_seq:
        return seq + 1
    return None if previous == last_hash else seq
