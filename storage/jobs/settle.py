"""The job at the end of a study's quiet period, which marks the study as complete."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, update

from pacs.actor import Actor
from pacs.jobs.job import ClaimedJob, NewJob
from pacs.study_states import QUIET_PERIOD, State, on_quiet, quiet_at
from storage.database import Database
from storage.feeds import transaction
from storage.jobs.queue import complete, enqueue
from storage.tables import studies

KIND = "study.settle"


def settle_job(study_instance_uid: str, delay: timedelta) -> NewJob:
    return NewJob(KIND, {"study_instance_uid": study_instance_uid}, delay, key=f"{KIND}:{study_instance_uid}")


@dataclass(frozen=True, slots=True)
class SettleStudy:
    """Handler of `study.settle`. Locks the study, so that no instance is entered concurrently, and completes
    the job itself, so that a study is announced once."""

    database: Database
    quiet_period: timedelta = QUIET_PERIOD

    def __call__(self, job: ClaimedJob) -> None:
        uid = job.payload["study_instance_uid"]
        actor = Actor(job.organization, "system", KIND, "", job.correlation_id)
        study = select(studies.c.pk, studies.c.state, studies.c.last_received_at).where(
            studies.c.org_id == job.organization, studies.c.study_instance_uid == uid
        )
        with transaction(self.database) as under_way:
            found = under_way.connection.execute(study.with_for_update()).first()
            if found is None or not complete(under_way.connection, job):
                return
            again = quiet_at(found.last_received_at, self.quiet_period, under_way.now)
            if again is not None:
                later = settle_job(uid, again - under_way.now)
                enqueue(under_way.connection, later, job.organization, job.correlation_id)
                return
            settled = update(studies).where(studies.c.pk == found.pk)
            state = on_quiet(State(found.state))
            under_way.connection.execute(settled.values(state=state.value, version=studies.c.version + 1))
            under_way.announce(actor, "study.complete", uid, state=state.value)
