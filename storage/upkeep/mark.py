"""The mark that the sweep leaves in the store: the newest audit record of the index that removed blobs last.

An index that does not know this record is a different one, or an older copy that was restored. Blobs that it
does not refer to may belong to the other, so it removes nothing until `pacs reindex` has entered them.
"""

from __future__ import annotations

from sqlalchemy import select

from pacs.actor import DEFAULT_ORGANIZATION
from storage.blobs import BlobStore
from storage.database import Database
from storage.tables import audit, org_heads


def is_known(database: Database, store: BlobStore) -> bool:
    """Also when there is none."""
    left = store.mark()
    return not left or knows(database, DEFAULT_ORGANIZATION, left)


def is_there(database: Database, store: BlobStore) -> bool:
    """Whether this index, or an older copy of it, left one."""
    return knows(database, DEFAULT_ORGANIZATION, store.mark())


def leave(database: Database, store: BlobStore) -> None:
    left = newest(database, DEFAULT_ORGANIZATION)
    if left and store.mark() != left:
        store.leave_mark(left)


def newest(database: Database, organization: int) -> str:
    """The newest audit record of an organisation; empty when there is none."""
    of_head = select(org_heads.c.audit_seq, org_heads.c.audit_hash)
    with database.read() as connection:
        head = connection.execute(of_head.where(org_heads.c.org_id == organization)).one()
    return f"{head.audit_seq} {head.audit_hash}" if head.audit_seq else ""


def knows(database: Database, organization: int, record: str) -> bool:
    """Whether the index has, or had, this record as its newest."""
    seq, _, digest = record.partition(" ")
    if not seq.isdecimal():
        return False
    same = select(audit.c.seq).where(
        audit.c.org_id == organization, audit.c.seq == int(seq), audit.c.hash == digest
    )
    with database.read() as connection:
        return connection.execute(same).first() is not None
