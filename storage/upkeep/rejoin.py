"""Corrects the identity of patients that an earlier build derived from a padded Patient ID.

Patients split by padding become one again: the studies move to the patient with the correct identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError

from pacs.actor import system_actor
from pacs.attributes import Level, Matching, at_level
from pacs.model import AuditRecord
from storage.database import Database
from storage.feeds import Transaction, transaction
from storage.locked_rows import LockedRow, lock_row, note_others
from storage.rows import patient_identity, unpadded
from storage.tables import patients, studies

_ID, _ISSUER = "PatientID", "IssuerOfPatientID"
_COUNTS = tuple(a.column for a in at_level(Level.PATIENT) if a.computed)
_PLAIN = tuple(a for a in at_level(Level.PATIENT) if not a.computed and a.matching is not Matching.SEQUENCE)


@dataclass(frozen=True, slots=True)
class _Padded:
    organization: int
    identity: str
    right: str
    """The identity without padding."""


def rejoin(database: Database) -> int:
    """Returns how many patients had another identity."""
    return sum(_rejoin(database, each) for each in _padded(database))


def _padded(database: Database) -> list[_Padded]:
    columns = patients.c.org_id, patients.c.identity, patients.c.patient_id, patients.c.issuer_of_patient_id
    begins = (column.startswith(" ") for column in columns[2:])
    follows = (column.contains("\\ ", autoescape=True) for column in columns[2:])
    with database.read() as connection:
        found = connection.execute(select(*columns).where(or_(*begins, *follows))).mappings().all()
    return [each for row in found if (each := _of(row)).right != each.identity]


def _of(row: Mapping[Any, Any]) -> _Padded:
    """A patient whose identity is not derived from its values (without a Patient ID) keeps it."""
    values = {_ID: row["patient_id"] or "", _ISSUER: row["issuer_of_patient_id"] or ""}
    right = row["identity"]
    if right == patient_identity(values, ""):
        right = patient_identity({keyword: unpadded(value) for keyword, value in values.items()}, "")
    return _Padded(row["org_id"], row["identity"], right)


def _rejoin(database: Database, padded: _Padded) -> bool:
    while True:
        try:
            with transaction(database) as under_way:
                return _give(under_way, padded)
        except IntegrityError:  # a patient with this identity was inserted meanwhile
            continue


def _give(under_way: Transaction, padded: _Padded) -> bool:
    """Set the correct identity, or move the studies; False when the patient was deleted meanwhile."""
    locked = {
        identity: lock_row(
            under_way.connection, Level.PATIENT, {"org_id": padded.organization, "identity": identity}
        )
        for identity in sorted((padded.identity, padded.right))
    }
    patient, other = locked[padded.identity], locked[padded.right]
    if patient is None:
        return False
    if other is None:
        patient["identity"] = padded.right
        patient.flush(under_way)
        return True
    moved = _move_studies(under_way, patient, other)
    patient.remove(under_way)
    actor = system_actor("reindex", padded.organization)
    under_way.audit(AuditRecord(actor, "patient.merge", "success", "", {"studies": moved}))
    for uid in moved:
        under_way.announce(actor, "study.updated", uid)
    return True


def _move_studies(under_way: Transaction, patient: LockedRow, other: LockedRow) -> list[str]:
    mine = studies.c.patient_pk == patient.pk
    moving = update(studies).where(mine).values(patient_pk=other.pk, version=studies.c.version + 1)
    moved = under_way.connection.execute(moving.returning(studies.c.study_instance_uid))
    for column in _COUNTS:
        other[column] += patient[column]
    other["patient_flags"] = other["patient_flags"] or patient["patient_flags"]
    note_others(other, patient)
    for attribute in _PLAIN:
        if other[attribute.column] is None:
            other[attribute.column] = patient[attribute.column]
            other[attribute.key_column] = patient[attribute.key_column]
    other.flush(under_way)
    return sorted(moved.scalars())
