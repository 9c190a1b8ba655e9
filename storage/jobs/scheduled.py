"""Scheduled jobs: each enqueues its next run when it ends.

However many nodes there are, a run is one job, which one worker claims; a long run is done in pieces,
between which other jobs get their turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update

from pacs.actor import system_actor
from pacs.jobs.job import ClaimedJob, NewJob
from pacs.model import AuditRecord
from storage import clock
from storage.audit import verify_some
from storage.database import Database
from storage.feeds import transaction
from storage.jobs.queue import enqueue
from storage.tables import jobs, organizations

log = structlog.get_logger(__name__)

VERIFY = "audit.verify"
PIECE = 20_000
"""Audit records verified in one piece, which takes a second or two."""


@dataclass(frozen=True, slots=True)
class VerifyAudit:
    """Handler of `audit.verify`: verifies an organisation's hash chain, and logs an error if it is broken."""

    database: Database
    every: timedelta
    piece: int = PIECE

    def __call__(self, job: ClaimedJob) -> None:
        after = job.payload.get("after", 0), job.payload.get("hash", "")
        checked = verify_some(self.database, job.organization, after, self.piece)
        next_run = NewJob(VERIFY, {}, self.every, VERIFY)
        if checked.broken is None and not checked.at_end:
            next_run = NewJob(VERIFY, {"after": checked.seq, "hash": checked.hash}, key=VERIFY)
        with transaction(self.database) as under_way:
            if checked.broken is not None:
                log.error("audit trail broken", organization=job.organization, record=checked.broken)
                actor = system_actor(VERIFY, job.organization)
                details = {"record": checked.broken}
                under_way.audit(AuditRecord(actor, VERIFY, "failure", "", details))
            enqueue(under_way.connection, next_run, job.organization, job.correlation_id)


def begin(database: Database, every: timedelta) -> None:
    """Schedule every organisation's first run; runs planned later than `every` from now are moved forward."""
    mine, soon = jobs.c.kind == VERIFY, clock.later(database.dialect, every)
    with database.write() as connection:
        known = set(connection.execute(select(jobs.c.org_id).where(mine)).scalars())
        for organization in connection.execute(select(organizations.c.id)).scalars().all():
            if organization not in known:
                enqueue(connection, NewJob(VERIFY, {}, key=VERIFY), organization, "")
        late = update(jobs).where(mine, jobs.c.state == "waiting", jobs.c.run_at > soon)
        connection.execute(late.values(run_at=soon))


@dataclass(frozen=True, slots=True)
class NextRun:
    organization: str
    kind: str
    state: str
    run_at: datetime


def next_runs(database: Database) -> list[NextRun]:
    """The next run of each kind and organisation."""
    found = select(organizations.c.code, jobs.c.kind, jobs.c.state, jobs.c.run_at)
    found = found.join(organizations, organizations.c.id == jobs.c.org_id).where(jobs.c.kind == VERIFY)
    with database.read() as connection:
        return [NextRun(*row) for row in connection.execute(found.order_by(organizations.c.code))]
