"""One transaction holds a change, its audit records, its events and its jobs (law 5).

Both feeds are numbered by organisation without gaps. The numbers are assigned last, under a lock of the
organisation's head that lasts until the commit, so that they are in the order of commits: a reader that
has seen number n never sees a smaller one appear. The organisation's tallies are moved with it, by the same
statement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection, bindparam, insert, select, update

from pacs.actor import Actor
from pacs.errors import Conflict, PacsError
from pacs.model import AuditRecord
from storage import clock
from storage.chain import audit_row
from storage.database import Database
from storage.statements import first, run
from storage.tables import TALLIES, audit, changes, org_heads

_LOCK_HEAD = select(org_heads).where(org_heads.c.org_id == bindparam("org")).with_for_update()
_MOVE_HEAD = update(org_heads).where(org_heads.c.org_id == bindparam("org"))
_INSERT_AUDIT = insert(audit)
_INSERT_CHANGES = insert(changes)
_TRIES = 10  # each fails only when another transaction commits between two of its statements

T = TypeVar("T")


class RetryTransaction(Exception):
    """Another transaction interfered: roll this one back and repeat it.

    `failed`: errors of the entries to leave out of the repetition, by `id()` of the entry.
    """

    def __init__(self, failed: Mapping[int, PacsError] | None = None) -> None:
        super().__init__()
        self.failed: Mapping[int, PacsError] = failed or {}


@dataclass(frozen=True, slots=True)
class _Event:
    kind: str
    resource: str
    payload: dict[str, Any]
    correlation_id: str


@dataclass(slots=True)
class _Feed:
    records: list[AuditRecord] = field(default_factory=list)
    events: list[_Event] = field(default_factory=list)
    tallies: Counter[str] = field(default_factory=Counter)


class Transaction:
    """A connection, with the audit records and events that are written when it commits."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._feeds: dict[int, _Feed] = {}

    @cached_property
    def now(self) -> datetime:
        """One time for all changes of the transaction, by the database's clock."""
        return clock.told(self.connection)

    def audit(self, record: AuditRecord) -> None:
        self._feed(record.actor.organization).records.append(record)

    def announce(self, actor: Actor, kind: str, resource: str, **payload: Any) -> None:
        """Add an event. `kind`: such as `study.received`. `payload`: identifiers only."""
        event = _Event(kind, resource, payload, actor.correlation_id)
        self._feed(actor.organization).events.append(event)

    def tally(self, organization: int, what: str, more: int) -> None:
        """Count so many more rows, or fewer if `more` is negative. `what`: one of `TALLIES`."""
        self._feed(organization).tallies[what] += more

    def _feed(self, organization: int) -> _Feed:
        return self._feeds.setdefault(organization, _Feed())

    def finish(self) -> None:
        for organization in sorted(self._feeds):
            self._write(organization, self._feeds[organization])

    def _write(self, organization: int, feed: _Feed) -> None:
        head = first(self.connection, _LOCK_HEAD, {"org": organization})
        assert head is not None, "an organisation without a head"
        audit_seq, audit_hash, change_seq = head["audit_seq"], head["audit_hash"], head["change_seq"]
        rows = []
        for record in feed.records:
            audit_seq += 1
            rows.append(audit_row(audit_seq, self.now, record, audit_hash))
            audit_hash = rows[-1]["hash"]
        if rows:
            run(self.connection, _INSERT_AUDIT, rows)
        events = []
        for event in feed.events:
            change_seq += 1
            events.append(_change_row(organization, change_seq, self.now, event))
        if events:
            run(self.connection, _INSERT_CHANGES, events)
        moved = {"audit_seq": audit_seq, "audit_hash": audit_hash, "change_seq": change_seq}
        tallied = {what: head[what] + feed.tallies[what] for what in TALLIES}
        run(self.connection, _MOVE_HEAD, [{"org": organization, **moved, **tallied}])


def _change_row(organization: int, seq: int, at: datetime, event: _Event) -> dict[str, Any]:
    return {
        "org_id": organization,
        "seq": seq,
        "at": at,
        "kind": event.kind,
        "resource": event.resource,
        "payload": orjson.dumps(event.payload).decode(),
        "correlation_id": event.correlation_id,
    }


def undisturbed(database: Database, work: Callable[[Transaction], T]) -> T:
    """`work` in a transaction, repeated while others interfere; `Conflict` when they always do."""
    for _ in range(_TRIES):
        with suppress(RetryTransaction), transaction(database) as under_way:
            return work(under_way)
    raise Conflict("the study is being changed by others; try again")


@contextmanager
def transaction(database: Database) -> Iterator[Transaction]:
    """Committed with its feeds when the block ends, rolled back when it raises."""
    with database.write() as connection:
        under_way = Transaction(connection)
        yield under_way
        under_way.finish()
