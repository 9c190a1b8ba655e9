"""The patients and studies that the received objects of one transaction belong to, locked or inserted.

A study belongs to the patient of its first instance, or to the one that it was announced for. An announced
study without a patient is taken over by the patient of its first instance.

All patients are locked before the first study, both in the order of their keys (`storage.tables`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, select

from pacs.attributes import Level
from pacs.jobs.job import NewJob
from pacs.model import Received
from pacs.study_states import State
from storage.feeds import RetryTransaction, Transaction
from storage.jobs.queue import enqueue
from storage.jobs.settle import settle_job
from storage.locked_rows import LockedRow, lock_or_insert, lock_row
from storage.rows import patient_identity
from storage.statements import first
from storage.tables import patients, studies

StudyKey = tuple[int, str]
"""Organisation and Study Instance UID."""

_OWNER_OF_STUDY = (
    select(patients.c.identity, studies.c.state)
    .join(studies, studies.c.patient_pk == patients.c.pk)
    .where(studies.c.org_id == bindparam("org"), studies.c.study_instance_uid == bindparam("uid"))
)

NO_STUDIES: dict[str, Any] = {
    "patient_flags": "",
    "number_of_patient_related_studies": 0,
    "number_of_patient_related_series": 0,
    "number_of_patient_related_instances": 0,
}
NO_SERIES: dict[str, Any] = {
    "number_of_study_related_series": 0,
    "number_of_study_related_instances": 0,
    "modalities_in_study": None,
    "sop_classes_in_study": None,
    "size_bytes": 0,
}


@dataclass(slots=True)
class LockedStudy:
    """A locked study, its patient, and its series as far as this transaction touches them."""

    study: LockedRow
    patient: LockedRow
    series: dict[str, LockedRow] = field(default_factory=dict)
    settle: NewJob | None = None
    """The job at the end of the quiet period, which this transaction begins anew."""
    correlation_id: str = ""
    unnamed: LockedRow | None = None
    """The patient without ID that the study had while it was announced, to be removed."""


def _key(item: Received) -> StudyKey:
    return item.actor.organization, item.identity.study_instance_uid


class LockedStudies:
    """The studies of one transaction. Call `lock` first and `flush` last."""

    def __init__(self, transaction: Transaction, quiet_period: timedelta) -> None:
        self._transaction = transaction
        self._connection = transaction.connection
        self._quiet_period = quiet_period
        self._studies: dict[StudyKey, LockedStudy] = {}
        self._unnamed: set[StudyKey] = set()

    def of(self, item: Received) -> LockedStudy:
        return self._studies[_key(item)]

    def lock(self, received: Sequence[Received]) -> None:
        """Lock or insert the patients and studies of all items."""
        firsts: dict[StudyKey, Received] = {}
        for item in received:
            firsts.setdefault(_key(item), item)
        owners = {key: self._identity(key, item) for key, item in firsts.items()}
        named = {(key[0], owners[key]): item for key, item in reversed(firsts.items())}
        nameless = {(key[0], patient_identity({}, key[1])) for key in self._unnamed}
        locked: dict[tuple[int, str], LockedRow | None] = {}
        for organization, identity in sorted(named.keys() | nameless):
            unique = {"org_id": organization, "identity": identity}
            if of := named.get((organization, identity)):
                patient, _ = lock_or_insert(
                    self._transaction, Level.PATIENT, {**unique, **NO_STUDIES}, of.values
                )
                locked[organization, identity] = patient
            else:
                locked[organization, identity] = lock_row(self._connection, Level.PATIENT, unique)
        for key in sorted(firsts):
            owner = locked[key[0], owners[key]]
            assert owner is not None
            unnamed = locked.get((key[0], patient_identity({}, key[1]))) if key in self._unnamed else None
            self._studies[key] = self._study(owner, firsts[key], unnamed)

    def _identity(self, key: StudyKey, item: Received) -> str:
        """The identity of the study's patient, from the study's row or else from the instance."""
        organization, uid = key
        named = patient_identity(item.values, uid)
        owner = first(self._connection, _OWNER_OF_STUDY, {"org": organization, "uid": uid})
        if owner is None:
            return named
        known: str = owner["identity"]
        if owner["state"] == State.EXPECTED and known == patient_identity({}, uid) != named:
            self._unnamed.add(key)
            return named
        return known

    def _study(self, patient: LockedRow, first: Received, unnamed: LockedRow | None) -> LockedStudy:
        organization, uid = _key(first)
        row = {
            "org_id": organization,
            "study_instance_uid": uid,
            "patient_pk": patient.pk,
            "state": State.RECEIVING.value,
            "flags": "",
            "first_received_at": self._transaction.now,
            "last_received_at": self._transaction.now,
            "version": 0,
            **NO_SERIES,
        }
        study, new = lock_or_insert(self._transaction, Level.STUDY, row, first.values)
        entry = LockedStudy(study, patient)
        if new:
            if patient["identity"] != patient_identity(first.values, uid):
                raise RetryTransaction  # the study was deleted after `_identity` read its patient
            patient["number_of_patient_related_studies"] += 1
            self.begin(entry, first)
        elif study["patient_pk"] != patient.pk:
            self._take_over(entry, unnamed)
        return entry

    def _take_over(self, entry: LockedStudy, unnamed: LockedRow | None) -> None:
        """Move an announced study without a patient to the patient of its first instance."""
        study = entry.study
        if unnamed is None or study["patient_pk"] != unnamed.pk or study["state"] != State.EXPECTED:
            raise RetryTransaction  # the study was inserted meanwhile, for another patient
        study["patient_pk"] = entry.patient.pk
        entry.patient["number_of_patient_related_studies"] += 1
        entry.unnamed = unnamed

    def begin(self, entry: LockedStudy, item: Received) -> None:
        """The study's first instance has arrived."""
        self._transaction.announce(item.actor, "study.received", item.identity.study_instance_uid)
        self.settle(entry, item)

    def settle(self, entry: LockedStudy, item: Received) -> None:
        """Begin the quiet period anew."""
        uid = item.identity.study_instance_uid
        entry.settle = settle_job(uid, self._quiet_period)
        entry.correlation_id = item.actor.correlation_id

    def flush(self) -> None:
        """Write what has changed, in the order of keys."""
        for (organization, _), entry in sorted(self._studies.items(), key=lambda pair: pair[0]):
            if entry.study.changed:
                entry.study["version"] += 1
            for row in (*entry.series.values(), entry.study, entry.patient):
                row.flush(self._transaction)
            if entry.unnamed:
                entry.unnamed.remove(self._transaction)
            if entry.settle:
                enqueue(self._connection, entry.settle, organization, entry.correlation_id)
