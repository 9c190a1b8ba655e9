"""An index and a store of blobs together: objects with real bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from pacs.actor import system_actor
from pacs.archive import Archive
from pacs.errors import BlobVanishing
from pacs.model import AuditRecord, Blob, Received
from storage.blobs import BlobStore
from storage.columns import micros
from storage.commits import CommitLimits
from storage.database import Database
from storage.feeds import transaction
from storage.index import Entries, PreparedEntries, SqlAuditTrail, SqlIndex, open_entries, open_prepared
from storage.upkeep.sweep import GRACE, Sweep
from tests.storage.received import received
from tests.storage.world import LIMITS
from tests.storage.world import store as enter

LATER = GRACE + timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Shelf:
    database: Database
    blobs: BlobStore
    entries: Entries
    prepared_entries: PreparedEntries

    @property
    def archive(self) -> Archive:
        index = SqlIndex(self.database, self.entries, self.prepared_entries)
        return Archive(self.blobs, index, SqlAuditTrail(self.entries))

    def publish(self, content: bytes) -> Blob:
        with self.blobs.spool() as spooled:
            spooled.write(content)
            return self.blobs.publish(spooled)

    def enter(self, blob: Blob, **named: Any) -> Received:
        """`named`: keywords of `tests.storage.received.received`."""
        item = replace(received(content=blob.address, **named), blob=blob)
        enter(self.entries, item)
        return item

    def store(self, content: bytes, **named: Any) -> Received:
        """As the archive does it: publish, enter, and once more when the sweep came between."""
        while True:
            blob = self.publish(content)
            try:
                return self.enter(blob, **named)
            except BlobVanishing:
                continue

    def forget(self, item: Received) -> None:
        """Take the reference away, as deleting an instance does."""
        self.run("DELETE FROM versions WHERE blob = :address", address=item.blob.address)
        self.run(
            "UPDATE blobs SET refcount = 0, unreferenced_since = :now WHERE address = :address",
            address=item.blob.address,
            now=micros(datetime.now(UTC)),
        )

    def sweep(self, at: timedelta = timedelta()) -> Sweep:
        """One that waits so much less, and no longer for what has no row."""
        return Sweep(self.database, self.blobs, GRACE - at, orphaned=timedelta())

    def run(self, statement: str, **values: Any) -> None:
        with self.database.write() as connection:
            connection.execute(text(statement), values)

    def states(self) -> dict[str, str]:
        with self.database.read() as connection:
            rows = connection.execute(text("SELECT address, state FROM blobs"))
            return {row.address: row.state for row in rows}


@contextmanager
def shelf_of(database: Database, blobs: BlobStore, limits: CommitLimits = LIMITS) -> Iterator[Shelf]:
    entries = open_entries(database, blobs.missing, limits)
    prepared_entries = open_prepared(database, limits)
    with transaction(database) as under_way:  # from now on what lies in the store may be this index's
        under_way.audit(AuditRecord(system_actor("tests"), "start", "success"))
    try:
        yield Shelf(database, blobs, entries, prepared_entries)
    finally:
        entries.close()
        prepared_entries.close()
