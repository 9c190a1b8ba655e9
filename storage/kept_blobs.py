"""Blobs that are kept for another reason than being a version of an instance (deletions, uploads).

A row counts as one reference, so the sweep spares its blob. Moving a reference from a version to such
a row, as deleting does, does not touch the blob's own row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from pacs.errors import BlobVanishing
from pacs.model import Blob
from storage.references import Missing, References, give_up
from storage.tables import blobs, kept_blobs

_BATCH = 500  # rows released by one transaction


@dataclass(frozen=True, slots=True)
class Kept:
    """`name`: the sender's, for display, never a path."""

    blob: Blob
    name: str = ""


def refer(connection: Connection, files: Sequence[Kept], missing: Missing) -> None:
    """Count the references of files to `keep`. `BlobVanishing` when the sweep is removing one: publish
    it again."""
    references = References(missing)
    for each in files:
        references.add(each.blob)
    if references.write(connection):
        raise BlobVanishing


def keep(connection: Connection, owner: str, organization: int, files: Sequence[Kept]) -> None:
    rows = [
        {"owner": owner, "position": n, "org_id": organization, "blob": each.blob.address, "name": each.name}
        for n, each in enumerate(files)
    ]
    connection.execute(insert(kept_blobs), rows)


def kept(connection: Connection, organization: int, owner: str) -> list[Kept]:
    mine = select(blobs.c.address, blobs.c.size, kept_blobs.c.name).join(kept_blobs)
    found = mine.where(kept_blobs.c.owner == owner, kept_blobs.c.org_id == organization)
    rows: Any = connection.execute(found.order_by(kept_blobs.c.position))
    return [Kept(Blob(row.address, row.size), row.name) for row in rows]


def release(connection: Connection, organization: int, owner: str) -> bool:
    """Release a batch of the owner's blobs; whether there are more."""
    mine = kept_blobs.c.owner == owner, kept_blobs.c.org_id == organization
    batch = select(kept_blobs.c.position, kept_blobs.c.blob).where(*mine)
    found = connection.execute(batch.order_by(kept_blobs.c.position).limit(_BATCH)).all()
    if not found:
        return False
    for address, count in sorted(Counter(row.blob for row in found).items()):
        give_up(connection, address, count)
    connection.execute(delete(kept_blobs).where(*mine, kept_blobs.c.position <= found[-1].position))
    return len(found) == _BATCH
