"""Removing unreferenced blobs without taking the bytes from a store in progress.

There are three steps; after a crash between them the next sweep continues:

1. claim: the row's state becomes `deleting`, committed. A store that finds it so publishes again later.
2. delete the blob, and
3. delete the row, in one transaction that holds the row: while a sweep may still delete a blob,
   its row is there. A store that finds no row, makes one and then still sees its blob
   (`Blobs.missing`), all before it commits, can no longer lose it.

A blob that may not be removed is unclaimed, so that it neither holds up the others nor is refused when it is
sent again; its grace begins anew.

A published blob that never got a row (an orphan) is given one in state `deleting`, unless a store was
quicker, and is removed the same way. Blobs older than the index itself are spared, as they were not
published for it, and an older copy of the index, or another one, removes nothing (`storage.upkeep.mark`):
after a loss of the database all objects are still there (`pacs reindex`). `unreferenced_since` of a
referenced row is NULL.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, Select, Update, delete, exists, or_, select, update

from pacs.actor import DEFAULT_ORGANIZATION
from pacs.errors import Unavailable
from pacs.model import Blob
from storage import clock
from storage.blobs import BlobStore
from storage.database import Database
from storage.tables import audit, blobs, kept_blobs, versions
from storage.upkeep import mark
from storage.upkeep.recognition import recognise
from storage.upsert import INSERT

log = structlog.get_logger(__name__)

GRACE = timedelta(hours=1)
"""How long a blob stays after its last reference was removed, for readers that have begun."""

ORPHANED = timedelta(days=7)
"""How much longer a blob without a row stays: it may have had one before an older backup of the database
was restored, which takes people some time to notice."""

_SLACK = timedelta(seconds=2)  # object stores have timestamps in whole seconds
_BATCH = 100  # rows held by one transaction
_ROUNDS = 50  # batches in one run
_WALK = 10_000  # blobs that one run examines for orphans, however large the archive is


@dataclass(frozen=True, slots=True)
class Swept:
    """`after`: where the next run's walk begins. `more`: whether another run is due at once."""

    removed: int
    orphans: int
    after: str
    more: bool


@dataclass(frozen=True, slots=True)
class Sweep:
    """Any number of nodes may sweep concurrently."""

    database: Database
    blobs: BlobStore
    grace: timedelta = GRACE
    orphaned: timedelta = ORPHANED

    def run(self, after: str = "") -> Swept:
        """One bounded run: part of the walk after `after`, then the removal of all claimed blobs."""
        if not self.may_remove():
            return Swept(0, 0, after, more=False)
        with suppress(Unavailable):  # a full disk must not keep the sweep from making room
            mark.leave(self.database, self.blobs)
        before = clock.read(self.database) - self.grace
        orphans, after = self.adopt_orphans(before - self.orphaned, after)
        removed = 0
        for _ in range(_ROUNDS):
            claimed, (deleted, full) = self.claim(before), self.delete_claimed()
            removed += deleted
            if claimed < _BATCH and not full:
                return Swept(removed, orphans, after, more=False)
        return Swept(removed, orphans, after, more=True)

    def may_remove(self) -> bool:
        """Whether the store's content is this index's. `WrongStore` if none of its objects is there."""
        recognise(self.database, self.blobs)
        ours = mark.is_known(self.database, self.blobs)
        if not ours:
            log.error(
                "nothing is swept: another index, or a newer copy of this one, was in use here; reindex"
            )
        return ours

    def claim(self, before: datetime) -> int:
        """Step 1, for blobs unreferenced since `before`. A reference outweighs a count of zero."""
        referred = or_(
            exists().where(versions.c.blob == blobs.c.address),
            exists().where(kept_blobs.c.blob == blobs.c.address),
        )
        idle = select(blobs.c.address).where(
            blobs.c.unreferenced_since < before, blobs.c.state == "live", blobs.c.refcount == 0, ~referred
        )
        with self.database.write() as connection:
            batch = _hold(connection, idle)
            connection.execute(update(blobs).where(blobs.c.address.in_(batch)).values(state="deleting"))
        return len(batch)

    def adopt_orphans(self, before: datetime, after: str) -> tuple[int, str]:
        """Step 1, for blobs older than `before` without a row; returns where the walk ended, too."""
        began = self._index_began()
        if began is None:
            return 0, ""
        found = self.blobs.walk(after, _WALK)
        old = [each.blob for each in found if began - _SLACK <= each.modified < before]
        adopted = 0
        for start in range(0, len(old), _BATCH):
            adopted += self._adopt(old[start : start + _BATCH], before)
        return adopted, found[-1].blob.address if len(found) == _WALK else ""

    def _index_began(self) -> datetime | None:
        """The time of the first audit record of this database; None when there is none."""
        first = select(audit.c.at).where(audit.c.org_id == DEFAULT_ORGANIZATION, audit.c.seq == 1)
        with self.database.read() as connection:
            return connection.execute(first).scalar()

    def _adopt(self, stored: Sequence[Blob], since: datetime) -> int:
        known = unknown_blobs(self.database, stored)
        if not known:
            return 0
        row = {"refcount": 0, "state": "deleting", "unreferenced_since": since}
        with self.database.write() as connection:
            insert = INSERT[connection.dialect.name](blobs)
            claimed = insert.on_conflict_do_nothing().returning(blobs.c.address)
            adopted = [
                connection.execute(claimed, {**row, "address": blob.address, "size": blob.size}).scalar()
                for blob in known
            ]
        count = sum(address is not None for address in adopted)
        log.info("orphaned blobs found", count=count)
        return count

    def delete_claimed(self) -> tuple[int, bool]:
        """Steps 2 and 3 for one batch, including blobs that an interrupted sweep had claimed: how many were
        removed, and whether the batch was full."""
        claimed = select(blobs.c.address).where(
            blobs.c.unreferenced_since.is_not(None), blobs.c.state == "deleting"
        )
        with self.database.read() as connection:  # so that an idle sweep does not queue as a writer
            if connection.execute(claimed.limit(1)).first() is None:
                return 0, False
        with self.database.write() as connection:
            batch = _hold(connection, claimed)
            _keep_holding(connection)
            staying = self.blobs.delete(batch)
            if staying:
                log.error(
                    "blobs may not be removed: who owns their folders, or may delete from their bucket?",
                    count=len(staying),
                    one=staying[0],
                )
                connection.execute(_unclaim(connection).where(blobs.c.address.in_(staying)))
            gone = sorted({*batch}.difference(staying))
            connection.execute(delete(blobs).where(blobs.c.address.in_(gone)))
        log.info("blobs removed", count=len(gone))
        return len(gone), len(batch) == _BATCH


def _hold(connection: Connection, wanted: Select[tuple[str]]) -> list[str]:
    """Lock a batch of these rows, skipping those locked by others."""
    batch = wanted.order_by(blobs.c.address).limit(_BATCH).with_for_update(skip_locked=True)
    return [row.address for row in connection.execute(batch)]


def _unclaim(connection: Connection) -> Update:
    return update(blobs).values(state="live", unreferenced_since=clock.now(connection.dialect.name))


def _keep_holding(connection: Connection) -> None:
    """However long the store takes, and the node if it is frozen: PostgreSQL would give the rows of an idle
    transaction to others, and what these store would be deleted late."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")


def unknown_blobs(database: Database, stored: Sequence[Blob]) -> list[Blob]:
    """Those without a row, in the given order."""
    addresses = [blob.address for blob in stored]
    with database.read() as connection:
        rows = connection.execute(select(blobs.c.address).where(blobs.c.address.in_(addresses)))
        known = set(rows.scalars())
    return [blob for blob in stored if blob.address not in known]
