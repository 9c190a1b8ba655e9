"""Tasks: a row with the progress, the blobs that it keeps, and the job that does the work."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, delete, exists, insert, select, update

from pacs.actor import Actor
from pacs.attributes import Level
from pacs.errors import NotFound
from pacs.jobs.job import Interrupted, NewJob
from pacs.jobs.tasks import (
    FORM_ATTRIBUTES,
    MAX_FAILURES,
    PROCESS,
    UPLOAD,
    Failure,
    Progress,
    Status,
    Task,
    Upload,
)
from pacs.model import AuditRecord
from storage.counting import counted
from storage.database import Database
from storage.feeds import Transaction, transaction
from storage.jobs.queue import enqueue
from storage.kept_blobs import Kept, keep, kept, refer, release
from storage.locked_rows import lock_row
from storage.references import Missing
from storage.tables import jobs, tasks


@dataclass(frozen=True, slots=True)
class SqlTasks:
    """Implements `pacs.ports.Tasks`. `missing`: of the blob store."""

    database: Database
    missing: Missing

    def upload(
        self,
        actor: Actor,
        study: str | None,
        uploads: Sequence[Upload],
        attributes: Mapping[str, str] = MappingProxyType({}),
    ) -> Task:
        with transaction(self.database) as under_way:
            total = sum(each.items for each in uploads)
            more = {FORM_ATTRIBUTES: dict(attributes)} if attributes else {}
            new = NewTask(UPLOAD, actor, study, total, more)
            files = [Kept(each.blob, each.name) for each in uploads]
            refer(under_way.connection, files, self.missing)  # blobs are locked before jobs
            task = begin(under_way, new)
            keep(under_way.connection, task.id, actor.organization, files)
            details = {"task": task.id, "files": len(uploads), "items": total}
            under_way.audit(AuditRecord(actor, UPLOAD, "success", study or "", details))
        return task

    def process(self, actor: Actor, study: str) -> Task:
        key = {"org_id": actor.organization, "study_instance_uid": study}
        with transaction(self.database) as under_way:
            locked = lock_row(under_way.connection, Level.STUDY, key)
            if locked is None:
                raise NotFound
            if same := _under_way(under_way.connection, actor.organization, PROCESS, study):
                return same
            count = locked["number_of_study_related_instances"]
            task = begin(under_way, NewTask(PROCESS, actor, study, count))
            under_way.audit(AuditRecord(actor, "study.process", "success", study, {"task": task.id}))
        return task

    def get(self, organization: int, number: str) -> Task | None:
        with self.database.read() as connection:
            return task_of(connection, organization, number)

    def page(self, organization: int, limit: int, offset: int) -> tuple[list[Task], int | None]:
        mine = tasks.c.org_id == organization
        newest = _ALL.where(mine).order_by(tasks.c.created_at.desc(), tasks.c.id).limit(limit).offset(offset)
        with self.database.read() as connection:
            rows = connection.execute(newest).mappings().all()
            total = counted(connection, tasks, mine)
        return [_task(dict(row)) for row in rows], total

    def uploads(self, task: Task) -> list[Upload]:
        with self.database.read() as connection:
            found = kept(connection, task.actor.organization, task.id)
        return [Upload(each.blob, each.name) for each in found]

    def report(self, task: Task, progress: Progress) -> Task:
        with transaction(self.database) as under_way:
            before = _held(under_way.connection, task)
            if before.done != task.done:
                raise Interrupted("another worker has reported progress")
            told = [_as_row(each) for each in (*before.failures, *progress.failures)]
            return self._update(
                under_way,
                task,
                status=Status.RUNNING.value,
                processed_items=tasks.c.processed_items + progress.processed,
                failed_items=tasks.c.failed_items + progress.failed,
                skipped_items=tasks.c.skipped_items + progress.skipped,
                errors=orjson.dumps(told[:MAX_FAILURES]).decode(),
            )

    def finish(self, task: Task, status: Status, message: str) -> None:
        with transaction(self.database) as under_way:
            self._update(under_way, task, status=status.value, message=message)

    def _update(self, under_way: Transaction, task: Task, **values: Any) -> Task:
        """Update the row and announce the change."""
        changed = update(tasks).where(tasks.c.id == task.id).values(**values, updated_at=under_way.now)
        row = under_way.connection.execute(changed.returning(tasks)).mappings().one()
        now = _task({**row, "alive": True})
        under_way.announce(
            task.actor,
            "task.progress",
            task.id,
            status=now.status.value,
            progress=now.progress,
            processed_items=now.processed,
            failed_items=now.failed,
            total_items=now.total,
        )
        return now

    def release(self, task: Task) -> None:
        more = True
        while more:
            with transaction(self.database) as under_way:
                more = release(under_way.connection, task.actor.organization, task.id)


@dataclass(frozen=True, slots=True)
class NewTask:
    """`payload`: of its job, besides the task's ID."""

    kind: str
    actor: Actor
    study: str | None
    total: int
    payload: Mapping[str, Any] = field(default_factory=dict)


def begin(under_way: Transaction, new: NewTask) -> Task:
    """Insert the task and its job."""
    row = _row(new, under_way.now)
    under_way.connection.execute(insert(tasks), row)
    number, actor = row["id"], new.actor
    job = NewJob(new.kind, {"task": number, **new.payload}, key=job_key(new.kind, number))
    enqueue(under_way.connection, job, actor.organization, actor.correlation_id)
    return _task(row)


def task_of(connection: Connection, organization: int, number: str) -> Task | None:
    found = connection.execute(_ALL.where(tasks.c.org_id == organization, tasks.c.id == number))
    row = found.mappings().first()
    return None if row is None else _task(dict(row))


def end(connection: Connection, task: str, kind: str, organization: int) -> bool:
    """Delete a task's failed job, so that nobody retries it. False if somebody already has."""
    job = jobs.c.org_id == organization, jobs.c.key == job_key(kind, task)
    connection.execute(delete(jobs).where(*job, jobs.c.state == "failed"))
    return connection.execute(select(jobs.c.pk).where(*job)).first() is None


def _under_way(connection: Connection, organization: int, kind: str, study: str) -> Task | None:
    over = [status.value for status in Status if status.over]
    same = _ALL.where(tasks.c.org_id == organization, tasks.c.kind == kind, is_alive())
    same = same.where(tasks.c.study_instance_uid == study, tasks.c.status.not_in(over))
    row = connection.execute(same.limit(1)).mappings().first()
    return None if row is None else _task(dict(row))


def job_key(kind: str, number: str) -> str:
    return f"{kind}:{number}"


def is_alive() -> ColumnElement[bool]:
    """Whether its job is still in the queue: it may have been given up after killing its workers."""
    mine = jobs.c.org_id == tasks.c.org_id, jobs.c.key == tasks.c.kind + ":" + tasks.c.id
    return exists().where(*mine, jobs.c.state != "failed")


_ALL = select(tasks, is_alive().label("alive"))


def _row(new: NewTask, now: datetime) -> dict[str, Any]:
    actor = new.actor
    return {
        "id": uuid.uuid4().hex,
        "org_id": actor.organization,
        "kind": new.kind,
        "status": Status.PENDING.value,
        "study_instance_uid": new.study,
        "message": "",
        "total_items": new.total,
        "processed_items": 0,
        "failed_items": 0,
        "skipped_items": 0,
        "errors": "[]",
        "actor_name": actor.name,
        "actor_address": actor.address,
        "correlation_id": actor.correlation_id,
        "created_at": now,
        "updated_at": now,
    }


def _task(row: dict[str, Any]) -> Task:
    status, message = Status(row["status"]), row["message"]
    if not status.over and not row.get("alive", True):
        status, message = Status.FAILED, "the server gave up; see its log"
    actor = Actor(row["org_id"], "user", row["actor_name"], row["actor_address"], row["correlation_id"])
    return Task(
        id=row["id"],
        kind=row["kind"],
        status=status,
        actor=actor,
        study_instance_uid=row["study_instance_uid"],
        message=message,
        total=row["total_items"],
        processed=row["processed_items"],
        failed=row["failed_items"],
        skipped=row["skipped_items"],
        failures=[Failure(**each) for each in orjson.loads(row["errors"])],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _held(connection: Connection, task: Task) -> Task:
    """The task as it is, locked."""
    held = select(tasks).where(tasks.c.id == task.id).with_for_update()
    return _task(dict(connection.execute(held).mappings().one()))


def _as_row(failure: Failure) -> dict[str, str]:
    return {"name": failure.name, "code": failure.code, "message": failure.message}
