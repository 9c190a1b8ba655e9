"""The index as the archive sees it: entries of many threads share transactions, queries go to the search.

Prepared data of images is written in separate transactions after those that senders wait for: many
images share one, and it locks no row that an entry needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pacs.model import AuditRecord, Prepared, Received, Stored, StoredInstance, Values
from pacs.search.query import Query, ResultPage
from pacs.study_states import QUIET_PERIOD
from storage import retrieval
from storage.commits import CommitLimits, Committer
from storage.database import Database
from storage.entering import store_batch
from storage.feeds import Transaction
from storage.prepared import keep
from storage.references import Missing
from storage.search import pages as search

Entries = Committer["Received | AuditRecord", "Stored | None"]
"""The committer of entries and audit records of one process."""
PreparedEntries = Committer[Prepared, None]
"""The committer of prepared data."""


def open_entries(
    database: Database,
    missing: Missing,
    limits: CommitLimits | None = None,
    quiet_period: timedelta = QUIET_PERIOD,
) -> Entries:
    """`missing`: of the blob store that the entries refer to."""

    def enter(transaction: Transaction, batch: Sequence[Received | AuditRecord]) -> list[Stored | None]:
        received = [entry for entry in batch if isinstance(entry, Received)]
        for entry in batch:
            if isinstance(entry, AuditRecord):
                transaction.audit(entry)
        stored = iter(store_batch(transaction, received, quiet_period, missing))
        return [next(stored) if isinstance(entry, Received) else None for entry in batch]

    return Committer(database, enter, limits)


def open_prepared(database: Database, limits: CommitLimits | None = None) -> PreparedEntries:
    def enter(transaction: Transaction, batch: Sequence[Prepared]) -> list[None]:
        keep(transaction.connection, batch)
        return [None] * len(batch)

    return Committer(database, enter, limits)


@dataclass(frozen=True, slots=True)
class SqlIndex:
    """Implements `pacs.ports.Index`."""

    database: Database
    entries: Entries
    prepared_entries: PreparedEntries

    def store(self, received: Received) -> Stored:
        stored = self.entries.submit(received)
        assert stored is not None
        return stored

    def prepare(self, prepared: Prepared) -> None:
        self.prepared_entries.defer(prepared)

    def find(self, organization: int, query: Query) -> Iterator[Values]:
        return search.find(self.database, organization, query)

    def page(self, organization: int, query: Query) -> ResultPage:
        return search.page(self.database, organization, query)

    def count(self, organization: int, query: Query) -> int:
        return search.count(self.database, organization, query)

    def locate(self, organization: int, query: Query) -> Iterator[StoredInstance]:
        return search.locate(self.database, organization, query)

    def retrieve(
        self, organization: int, study: str, series: str | None, sop: str | None
    ) -> Iterator[StoredInstance]:
        return retrieval.retrieve(self.database, organization, study, series, sop)


@dataclass(frozen=True, slots=True)
class SqlAuditTrail:
    """Implements `pacs.ports.AuditTrail`: records share transactions with what is stored."""

    entries: Entries

    def record(self, record: AuditRecord) -> None:
        self.entries.submit(record)

    def note(self, record: AuditRecord) -> None:
        self.entries.defer(record)
