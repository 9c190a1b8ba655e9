"""Deletions as long as they are listed, and their restoration while the bytes are kept.

Restoring moves the references to a task, which stores the objects again the same way as any sender's;
instances received again meanwhile stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, func, select, type_coerce, update

from pacs.actor import Actor
from pacs.attributes import Level
from pacs.errors import Conflict, NotFound
from pacs.jobs.tasks import RESTORE, Status, Task
from pacs.model import AuditRecord
from pacs.study_management import Deletion, Priority
from storage import clock
from storage.counting import counted
from storage.database import Database
from storage.feeds import transaction
from storage.jobs.queue import enqueue
from storage.jobs.tasks import NewTask, begin, end, task_of
from storage.locked_rows import lock_row
from storage.study_management.deleting import purge_job
from storage.tables import OF_PATIENT, OF_STUDY, deletions, kept_blobs

_SHOWN = (
    *(deletions.c.id, deletions.c.study_instance_uid, deletions.c.sop_instance_uid, deletions.c.instances),
    *(deletions.c.reason, deletions.c.actor_name, deletions.c.deleted_at, deletions.c.purge_at),
    *(deletions.c.restored_by, *(deletions.c[name] for name in OF_PATIENT + OF_STUDY)),
)


@cache
def _over(dialect: str) -> ColumnElement[bool]:
    return type_coerce(deletions.c.purge_at, BigInteger) <= clock.now(dialect)


def deleted(
    database: Database, organization: int, page: tuple[int, int], restorable: bool
) -> tuple[list[Deletion], int | None]:
    """A page of deletions, the newest first, and their number. `page`: limit and offset."""
    (limit, offset), over = page, _over(database.dialect)
    mine = deletions.c.org_id == organization
    asked = [mine]
    if restorable:
        asked += [~over, deletions.c.restored_by.is_(None), deletions.c.instances > 0]
    newest = select(*_SHOWN, over.label("over")).where(*asked)
    newest = newest.order_by(deletions.c.deleted_at.desc(), deletions.c.id)
    with database.read() as connection:
        rows = connection.execute(newest.limit(limit).offset(offset)).mappings().all()
        total = counted(connection, deletions, mine)
        if restorable and total is not None:
            total = counted(connection, deletions, *asked)
    return [Deletion(**row) for row in rows], total


def deletion(database: Database, organization: int, number: str) -> Deletion | None:
    this = deletions.c.org_id == organization, deletions.c.id == number
    shown = select(*_SHOWN, _over(database.dialect).label("over"))
    with database.read() as connection:
        row = connection.execute(shown.where(*this)).mappings().first()
    return Deletion(**row) if row else None


def restore(database: Database, actor: Actor, number: str) -> Task:
    """The task that restores it, possibly one begun before that has not failed. `Conflict` when the bytes are
    purged."""
    this = deletions.c.org_id == actor.organization, deletions.c.id == number
    with transaction(database) as under_way:
        connection = under_way.connection
        row = connection.execute(select(deletions).where(*this).with_for_update()).mappings().first()
        if row is None:
            raise NotFound
        owner = number
        if row["restored_by"] is not None:
            owner = row["restored_by"]
            task = task_of(connection, actor.organization, owner)
            if task is None:
                raise Conflict("this deletion was restored before")
            if task.status is not Status.FAILED or not end(connection, owner, RESTORE, actor.organization):
                return task
        if not row["instances"]:
            raise Conflict("the deleted study had no images; announce it again")
        if owner == number and row["purge_at"] <= under_way.now:
            raise Conflict("the retention period is over; the bytes are no longer kept")
        owned = kept_blobs.c.org_id == actor.organization, kept_blobs.c.owner == owner
        count = connection.execute(select(func.count()).where(*owned)).scalar_one()
        task = begin(
            under_way, NewTask(RESTORE, actor, row["study_instance_uid"], count, {"deletion": number})
        )
        connection.execute(update(kept_blobs).where(*owned).values(owner=task.id))
        connection.execute(update(deletions).where(*this).values(restored_by=task.id))
        details = {"deletion": number, "task": task.id, "instances": row["instances"]}
        under_way.audit(AuditRecord(actor, "deletion.restore", "success", row["study_instance_uid"], details))
    return task


def undo_restore(database: Database, task: Task, number: str, retention: timedelta) -> None:
    """Undo `restore`; a retention period that is over begins anew."""
    organization = task.actor.organization
    this = deletions.c.org_id == organization, deletions.c.id == number, deletions.c.restored_by == task.id
    owned = kept_blobs.c.org_id == organization, kept_blobs.c.owner == task.id
    with transaction(database) as under_way:
        connection = under_way.connection
        row = connection.execute(select(deletions).where(*this).with_for_update()).mappings().first()
        if row is None:
            return
        connection.execute(update(kept_blobs).where(*owned).values(owner=number))
        again: dict[str, Any] = {"restored_by": None}
        if row["purge_at"] <= under_way.now:
            again["purge_at"] = under_way.now + retention
            enqueue(connection, purge_job(number, retention), organization, task.actor.correlation_id)
        connection.execute(update(deletions).where(*this).values(again))


def restore_details(database: Database, organization: int, number: str) -> None:
    """Restore the study's priority, clinical notes and body part, unless users have set others since."""
    this = deletions.c.org_id == organization, deletions.c.id == number
    with transaction(database) as under_way:
        row = under_way.connection.execute(select(deletions).where(*this)).mappings().first()
        key = {"org_id": organization, "study_instance_uid": row["study_instance_uid"]} if row else {}
        locked = lock_row(under_way.connection, Level.STUDY, key) if row else None
        if row is None or locked is None:
            return
        if missing := _missing(row, locked):
            for column, value in missing.items():
                locked[column] = value
            locked["version"] += 1
            locked.flush(under_way)


def _missing(row: Mapping[Any, Any], locked: Any) -> dict[str, str]:
    found = {}
    if row["priority"] not in (None, locked["priority"]) and locked["priority"] == Priority.NORMAL:
        found["priority"] = row["priority"]
    for column in ("clinical_notes", "body_part"):
        if row[column] and not locked[column]:
            found[column] = row[column]
    return found
