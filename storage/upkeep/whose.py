"""Sets whose each study is by what its first object says.

Earlier builds kept that only with the patient, where the first study's name stood for all that came with the
same Patient ID.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import bindparam, func, select

from pacs.actor import system_actor
from pacs.attributes import Level
from pacs.model import AuditRecord, StoredInstance, Values
from storage.database import Database
from storage.feeds import transaction
from storage.locked_rows import lock_row, note_others
from storage.retrieval import COLUMNS, instance
from storage.rows import Row, patient_identity, said_of_patient
from storage.tables import blobs, instances, patients, series, studies, versions

_PAGE = 200
_SAID = tuple(said_of_patient({}))
_FIRST = (
    select(func.min(instances.c.pk))
    .join(series, series.c.pk == instances.c.series_pk)
    .where(series.c.study_pk == studies.c.pk)
    .correlate(studies)
    .scalar_subquery()
)
_FIRST_OBJECTS = (
    select(*COLUMNS, studies.c.pk, studies.c.org_id, patients.c.identity, *(studies.c[c] for c in _SAID))
    .select_from(studies)
    .join(patients, patients.c.pk == studies.c.patient_pk)
    .join(instances, instances.c.pk == _FIRST)
    .join(series, series.c.pk == instances.c.series_pk)
    .join(
        versions, (versions.c.instance_pk == instances.c.pk) & (versions.c.n == instances.c.current_version)
    )
    .join(blobs, blobs.c.address == versions.c.blob)
    .where(studies.c.pk > bindparam("after"))
    .order_by(studies.c.pk)
    .limit(_PAGE)
)

Reading = Callable[[StoredInstance], Values | None]
"""The values of an object; None when it cannot be read."""


def ask_objects(database: Database, read: Reading) -> int:
    """Returns how many studies said something else. One whose first object names another Patient ID than its
    patient's is left as it is."""
    return sum(_correct(database, row, read) for row in _rows(database))


def _rows(database: Database) -> Iterator[Mapping[Any, Any]]:
    after = 0
    while True:
        with database.read() as connection:
            found = connection.execute(_FIRST_OBJECTS, {"after": after}).mappings().all()
        yield from found
        if len(found) < _PAGE:
            return
        after = found[-1]["pk"]


def _correct(database: Database, row: Mapping[Any, Any], read: Reading) -> bool:
    uid = row["study_instance_uid"]
    values = read(instance(tuple(row.values())[: len(COLUMNS)]))
    if values is None or patient_identity(values, uid) != row["identity"]:
        return False
    said = _said(row, values)
    if all(row[column] == value for column, value in said.items()):
        return False
    actor = system_actor("reindex", row["org_id"])
    with transaction(database) as under_way:
        patient = lock_row(
            under_way.connection, Level.PATIENT, {"org_id": row["org_id"], "identity": row["identity"]}
        )
        study = lock_row(
            under_way.connection, Level.STUDY, {"org_id": row["org_id"], "study_instance_uid": uid}
        )
        if patient is None or study is None or study["patient_pk"] != patient.pk:
            return False  # changed meanwhile
        for column, value in said.items():
            study[column] = value
        study["version"] += 1
        note_others(patient, study)
        study.flush(under_way)
        patient.flush(under_way)
        under_way.audit(AuditRecord(actor, "study.update", "success", uid, {"changed": ["patient"]}))
        under_way.announce(actor, "study.updated", uid, state=study["state"])
    return True


def _said(row: Mapping[Any, Any], values: Values) -> Row:
    """Of another person, also what is not said; of the same, later objects may have filled that in."""
    said = said_of_patient(values)
    same = said["patient_name_key"] == row["patient_name_key"]
    return {column: value for column, value in said.items() if value is not None or not same}
