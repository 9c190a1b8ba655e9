"""The jobs of an organisation for its administrators: by state, with their last error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.exc import IntegrityError

from pacs.actor import Actor
from pacs.jobs.job import JobState, ListedJob
from pacs.jobs.tasks import KINDS
from pacs.model import AuditRecord
from storage import clock
from storage.counting import counted
from storage.database import Database
from storage.feeds import transaction
from storage.tables import jobs

_SHOWN = (
    *(jobs.c.pk, jobs.c.kind, jobs.c.state, jobs.c.attempt, jobs.c.max_attempts, jobs.c.run_at),
    *(jobs.c.created_at, jobs.c.worker, jobs.c.last_error, jobs.c.correlation_id),
)


@dataclass(frozen=True, slots=True)
class SqlJobs:
    """Implements `pacs.ports.Jobs`."""

    database: Database

    def page(
        self, organization: int, state: JobState | None, limit: int, offset: int
    ) -> tuple[list[ListedJob], int | None]:
        mine = _of(organization, state)
        oldest = select(*_SHOWN).where(*mine).order_by(jobs.c.pk).limit(limit).offset(offset)
        with self.database.read() as connection:
            found = [_listed(dict(row)) for row in connection.execute(oldest).mappings()]
            total = counted(connection, jobs, *mine)
        return found, total

    def retry(self, actor: Actor, number: int) -> bool:
        this = *_of(actor.organization, JobState.FAILED), jobs.c.pk == number
        now = clock.now(self.database.dialect)
        again = update(jobs).where(*this).values(state="waiting", attempt=0, run_at=now)
        try:
            with transaction(self.database) as under_way:
                done = under_way.connection.execute(again).rowcount == 1
                if done:
                    under_way.audit(AuditRecord(actor, "job.retry", "success", str(number)))
        except IntegrityError:  # a job with the same key is waiting already and replaces it
            return self._drop(actor, this) == 1
        return done

    def drop(self, actor: Actor, state: JobState) -> int:
        """Of waiting jobs only tasks are dropped: the archive's own upkeep must be done."""
        mine = _of(actor.organization, state)
        return self._drop(actor, mine if state is JobState.FAILED else (*mine, jobs.c.kind.in_(KINDS)))

    def _drop(self, actor: Actor, chosen: tuple[ColumnElement[bool], ...]) -> int:
        with transaction(self.database) as under_way:
            count = under_way.connection.execute(delete(jobs).where(*chosen)).rowcount
            if count:
                under_way.audit(AuditRecord(actor, "job.drop", "success", "", {"jobs": count}))
        return count


def _of(organization: int, state: JobState | None) -> tuple[ColumnElement[bool], ...]:
    mine = jobs.c.org_id == organization
    return (mine,) if state is None else (mine, jobs.c.state == _STATES[state])


_STATES = {JobState.QUEUED: "waiting", JobState.RUNNING: "running", JobState.FAILED: "failed"}
_NAMES = {state: name for name, state in _STATES.items()}


def _listed(row: dict[str, Any]) -> ListedJob:
    return ListedJob(id=row.pop("pk"), state=_NAMES[row.pop("state")], **row)
