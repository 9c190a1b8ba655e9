"""Deleting: rows are deleted at once, in one transaction; bytes after the retention period.

Patient and study are locked first, as in `storage.locked_studies`, so that the two never deadlock. Every
reference to a blob moves from its version to the deletion: no blob's row is touched, and readers that
have begun are not disturbed. As all values of the rows are in the blobs, a restoration stores the objects
again from there.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, func, insert, literal, select, update

from pacs.actor import Actor
from pacs.attributes import Level
from pacs.errors import NotFound
from pacs.jobs.job import ClaimedJob, NewJob
from pacs.model import AuditRecord
from pacs.study_management import RETENTION, Deletion
from storage.database import Database
from storage.feeds import RetryTransaction, Transaction, transaction, undisturbed
from storage.jobs.queue import enqueue
from storage.kept_blobs import release
from storage.locked_rows import LockedRow, lock_row
from storage.tables import (
    OF_PATIENT,
    OF_STUDY,
    SET_BY_USERS,
    TABLES,
    blobs,
    deletions,
    instances,
    kept_blobs,
    patients,
    sequence_values,
    series,
    studies,
    versions,
)

PURGE = "deletion.purge"


@dataclass(frozen=True, slots=True)
class DeletionRequest:
    """`sop` None: the whole study."""

    actor: Actor
    study: str
    sop: str | None
    reason: str


def delete_objects(
    database: Database, request: DeletionRequest, retention: timedelta = RETENTION
) -> Deletion:
    """`NotFound` when there is no such study or instance."""
    return undisturbed(database, lambda under_way: _Deleting(under_way, request, retention).run())


class _Deleting:
    def __init__(self, under_way: Transaction, request: DeletionRequest, retention: timedelta) -> None:
        self._transaction = under_way
        self._connection = under_way.connection
        self._request = request
        self._retention = retention
        self._id = uuid.uuid4().hex
        self._patient, self._study = self._lock()

    def run(self) -> Deletion:
        request, study = self._request, self._study
        chosen = self._chosen()
        self._lock_versions(chosen)
        count, size = map(int, self._connection.execute(_measure(chosen)).one())
        if request.sop is not None and not count:
            raise NotFound
        touched = self._series_touched(chosen) if request.sop is not None else []
        self._move_references(chosen)
        self._remove(Level.IMAGE, chosen)
        if request.sop is None:
            self._remove(Level.SERIES, select(series.c.pk).where(series.c.study_pk == study.pk))
            self._patient["number_of_patient_related_series"] -= study["number_of_study_related_series"]
            self._patient["number_of_patient_related_instances"] -= count
        else:
            self._lessen(touched, count, size)
        if request.sop is None or not study["number_of_study_related_instances"]:
            study.remove(self._transaction)
            self._patient["number_of_patient_related_studies"] -= 1
        else:
            study["version"] += 1
            study.flush(self._transaction)
        self._finish_patient()
        return self._record(count)

    def _lock(self) -> tuple[LockedRow, LockedRow]:
        organization, uid = self._request.actor.organization, self._request.study
        owner = (
            select(patients.c.identity)
            .join(studies, studies.c.patient_pk == patients.c.pk)
            .where(studies.c.org_id == organization, studies.c.study_instance_uid == uid)
        )
        identity = self._connection.execute(owner).scalar()
        if identity is None:
            raise NotFound
        patient = lock_row(self._connection, Level.PATIENT, {"org_id": organization, "identity": identity})
        study = lock_row(self._connection, Level.STUDY, {"org_id": organization, "study_instance_uid": uid})
        if study is None:
            raise NotFound  # deleted by another transaction while this one waited for the lock
        if patient is None or study["patient_pk"] != patient.pk:
            raise RetryTransaction
        return patient, study

    def _chosen(self) -> Select[Any]:
        mine = select(instances.c.pk).join(series, series.c.pk == instances.c.series_pk)
        mine = mine.where(series.c.study_pk == self._study.pk)
        return (
            mine
            if self._request.sop is None
            else mine.where(instances.c.sop_instance_uid == self._request.sop)
        )

    def _lock_versions(self, chosen: Select[Any]) -> None:
        """Lock them in the same order as `storage.prepared`."""
        held = select(versions.c.n).where(versions.c.instance_pk.in_(chosen))
        self._connection.execute(held.order_by(versions.c.instance_pk, versions.c.n).with_for_update())

    def _move_references(self, chosen: Select[Any]) -> None:
        number = func.row_number().over(order_by=(versions.c.instance_pk, versions.c.n))
        old = select(literal(self._id), number, versions.c.org_id, versions.c.blob, literal(""))
        moved = old.where(versions.c.instance_pk.in_(chosen))
        names = ["owner", "position", "org_id", "blob", "name"]
        self._connection.execute(insert(kept_blobs).from_select(names, moved))
        self._connection.execute(delete(versions).where(versions.c.instance_pk.in_(chosen)))

    def _remove(self, level: Level, chosen: Select[Any]) -> None:
        table = TABLES[level]
        items = sequence_values.c.level == level.value, sequence_values.c.owner.in_(chosen)
        self._connection.execute(delete(sequence_values).where(*items))
        gone = self._connection.execute(delete(table).where(table.c.pk.in_(chosen))).rowcount
        self._transaction.tally(self._request.actor.organization, table.name, -gone)

    def _series_touched(self, chosen: Select[Any]) -> list[Any]:
        """Key, instances and bytes to delete, by series: a faulty device may use one UID in several."""
        touched = (
            select(instances.c.series_pk, func.count(instances.c.pk.distinct()), func.sum(blobs.c.size))
            .join(versions, versions.c.instance_pk == instances.c.pk)
            .join(blobs, blobs.c.address == versions.c.blob)
            .where(instances.c.pk.in_(chosen))
            .group_by(instances.c.series_pk)
        )
        return list(self._connection.execute(touched))

    def _lessen(self, touched: list[Any], count: int, size: int) -> None:
        study, patient = self._study, self._patient
        for pk, gone, gone_bytes in touched:
            found = self._connection.execute(select(series).where(series.c.pk == pk)).mappings().one()
            row = LockedRow(Level.SERIES, dict(found))
            row["number_of_series_related_instances"] -= gone
            row["size_bytes"] -= int(gone_bytes)
            row.flush(self._transaction)
            if not row["number_of_series_related_instances"]:
                row.remove(self._transaction)
                study["number_of_study_related_series"] -= 1
                patient["number_of_patient_related_series"] -= 1
        study["number_of_study_related_instances"] -= count
        study["size_bytes"] -= size
        patient["number_of_patient_related_instances"] -= count
        study["modalities_in_study"] = self._words(series.c.modality, series)
        of_study = instances.join(series, series.c.pk == instances.c.series_pk)
        study["sop_classes_in_study"] = self._words(instances.c.sop_class_uid, of_study)

    def _words(self, column: Any, source: Any) -> str | None:
        found = select(column).select_from(source).where(series.c.study_pk == self._study.pk).distinct()
        values = filter(None, self._connection.execute(found).scalars())
        words = {word for each in values for word in each.split("\\")}
        return "\\".join(sorted(words)) or None

    def _finish_patient(self) -> None:
        self._patient.flush(self._transaction)
        if not self._patient["number_of_patient_related_studies"]:
            self._patient.remove(self._transaction)

    def _record(self, count: int) -> Deletion:
        request, now, whole = self._request, self._transaction.now, self._request.sop is None
        purge_at, by = now + self._retention, request.actor.name
        whose: dict[str, Any] = {name: self._patient[name] for name in OF_PATIENT}
        whose |= {name: self._study[name] for name in OF_STUDY}
        made = Deletion(
            self._id, request.study, request.sop, count, request.reason, by, now, purge_at, **whose
        )
        by_users = {name: self._study[name] if whole else None for name in SET_BY_USERS}
        row = {**asdict(made), **by_users, "org_id": request.actor.organization}
        del row["over"]  # computed from the time, not stored
        self._connection.execute(insert(deletions), row)
        job = purge_job(made.id, self._retention)
        enqueue(self._connection, job, request.actor.organization, request.actor.correlation_id)
        what = "study" if request.sop is None else "instance"
        details = {"deletion": made.id, "instances": count, "sop_instance_uid": request.sop}
        self._transaction.audit(
            AuditRecord(request.actor, f"{what}.delete", "success", request.study, details)
        )
        self._transaction.announce(
            request.actor, f"{what}.deleted", request.study, sop_instance_uid=request.sop
        )
        return made


def purge_job(deletion: str, delay: timedelta) -> NewJob:
    return NewJob(PURGE, {"deletion": deletion}, delay, key=f"{PURGE}:{deletion}")


def _measure(chosen: Select[Any]) -> Select[Any]:
    """The number of instances and the bytes of all their versions."""
    return (
        select(func.count(versions.c.instance_pk.distinct()), func.coalesce(func.sum(blobs.c.size), 0))
        .select_from(versions)
        .join(blobs, blobs.c.address == versions.c.blob)
        .where(versions.c.instance_pk.in_(chosen))
    )


@dataclass(frozen=True, slots=True)
class PurgeDeletion:
    """Handler of `deletion.purge`: releases the blobs, which the sweep then removes.

    A deletion that is being restored is left to its task. One whose time has not come gets another job: its
    retention period began anew, or the clock was set back. The patient's data is erased with the bytes.
    """

    database: Database

    def __call__(self, job: ClaimedJob) -> None:
        while self._some(job):
            pass

    def _some(self, job: ClaimedJob) -> bool:
        """Release a batch; whether there are more."""
        organization, number = job.organization, job.payload["deletion"]
        this = deletions.c.org_id == organization, deletions.c.id == number
        with transaction(self.database) as under_way:
            connection = under_way.connection
            locking = select(deletions.c.restored_by, deletions.c.purge_at).where(*this).with_for_update()
            row = connection.execute(locking).first()
            if row is None or _keeps(connection, row.restored_by):
                return False
            if row.purge_at > under_way.now:
                again = purge_job(number, row.purge_at - under_way.now)
                enqueue(connection, again, organization, job.correlation_id)
                return False
            if release(connection, organization, number):
                return True
            unknown = dict.fromkeys(OF_PATIENT + OF_STUDY)
            connection.execute(update(deletions).where(*this).values(unknown))
            actor = Actor(organization, "system", PURGE, "", job.correlation_id)
            under_way.audit(AuditRecord(actor, PURGE, "success", number))
        return False


def _keeps(connection: Connection, task: str | None) -> bool:
    return connection.execute(select(exists().where(kept_blobs.c.owner == task))).scalar_one()
