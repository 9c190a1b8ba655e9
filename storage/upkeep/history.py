"""Removing old history: finished tasks, purged deletions, changes.

A failed task can be retried until then, so its files are kept until then. The newest change of an
organisation always stays, so that a reader who returns later learns that others were removed. The audit
trail is never shortened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from sqlalchemy import delete, exists, select

from pacs.actor import system_actor
from pacs.model import AuditRecord
from storage import clock
from storage.database import Database
from storage.feeds import transaction
from storage.jobs.tasks import end, is_alive
from storage.kept_blobs import release
from storage.tables import changes, deletions, kept_blobs, org_heads, organizations, tasks

LASTS = timedelta(days=30)
PURGE = "task.purge"
FOLLOWED = timedelta(days=1)
"""The least time that changes are kept, whatever the setting: a reader may be disconnected for a while."""
_BATCH = 100  # rows in one run
_CHANGES = 1000  # changes of one organisation in one run


@dataclass(frozen=True, slots=True)
class _Old:
    organization: int
    task: str
    kind: str


@dataclass(frozen=True, slots=True)
class History:
    """Any number of nodes may run it concurrently."""

    database: Database
    lasts: timedelta = LASTS
    now: Callable[[Database], datetime] = clock.read

    def run(self) -> bool:
        """One bounded run; whether there is more to do."""
        now = self.now(self.database)
        before = now - self.lasts
        old = self._old_tasks(before)
        for each in old:
            while self._forget_some(each):
                pass
        changed = now - max(self.lasts, FOLLOWED)
        more = [self._forget_changes(each, changed) == _CHANGES for each in self._organizations()]
        return self._forget_deletions(before) == _BATCH or len(old) == _BATCH or any(more)

    def _organizations(self) -> list[int]:
        with self.database.read() as connection:
            return list(connection.execute(select(organizations.c.id)).scalars())

    def _old_tasks(self, before: datetime) -> list[_Old]:
        mine = tasks.c.org_id.in_(select(organizations.c.id))  # lets the index be used
        old = mine, tasks.c.created_at < before, tasks.c.updated_at < before, ~is_alive()
        found = select(tasks.c.org_id, tasks.c.id, tasks.c.kind).where(*old).limit(_BATCH)
        with self.database.read() as connection:
            return [_Old(row.org_id, row.id, row.kind) for row in connection.execute(found)]

    def _forget_some(self, old: _Old) -> bool:
        """Release a batch of a task's files, and after the last of them the task; whether there is more."""
        this = tasks.c.id == old.task, tasks.c.org_id == old.organization
        with transaction(self.database) as under_way:
            connection = under_way.connection
            if connection.execute(select(tasks.c.id).where(*this).with_for_update()).first() is None:
                return False  # another node has removed it
            if not end(connection, old.task, old.kind, old.organization):
                return False
            if release(connection, old.organization, old.task):
                return True
            connection.execute(delete(tasks).where(*this))
            actor = system_actor(PURGE, old.organization)
            under_way.audit(AuditRecord(actor, PURGE, "success", old.task, {"kind": old.kind}))
        return False

    def _forget_deletions(self, before: datetime) -> int:
        """Remove deletions whose bytes are all purged; returns how many."""
        mine = deletions.c.org_id.in_(select(organizations.c.id))
        old = mine, deletions.c.deleted_at < before, deletions.c.purge_at < before
        purged = ~exists().where(kept_blobs.c.owner == deletions.c.id)
        batch = select(deletions.c.id).where(*old, purged).limit(_BATCH)
        with self.database.read() as connection:
            found = list(connection.execute(batch).scalars())
        if found:
            with self.database.write() as connection:
                connection.execute(delete(deletions).where(deletions.c.id.in_(found)))
        return len(found)

    def _forget_changes(self, organization: int, before: datetime) -> int:
        """Remove old changes from the beginning of the feed; returns how many."""
        mine = changes.c.org_id == organization
        newest = select(org_heads.c.change_seq).where(org_heads.c.org_id == organization).scalar_subquery()
        oldest = select(changes.c.seq, changes.c.at).where(mine, changes.c.seq < newest)
        with self.database.read() as connection:
            rows = connection.execute(oldest.order_by(changes.c.seq).limit(_CHANGES)).all()
        old = [row.seq for row in takewhile(lambda row: row.at < before, rows)]
        if old:
            with self.database.write() as connection:
                connection.execute(delete(changes).where(mine, changes.c.seq <= old[-1]))
        return len(old)
