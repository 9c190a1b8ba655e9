"""An index filled in bulk: the rows that storing would have made, by the same functions, sooner."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, text

from bench.data import Study, uid
from pacs.attributes import Level
from pacs.study_states import State
from storage.columns import EPOCH
from storage.database import Database
from storage.rows import attribute_row, patient_identity
from storage.tables import patients, series, studies
from storage.upkeep.tallies import retally

ORGANIZATION = 1
BATCH = 10_000

Row = dict[str, Any]


def fill(database_url: str, count: int) -> None:
    """`count` studies of one series each, two to a patient, into an empty index."""
    database = Database(database_url, patience=None)
    for first in range(0, count, BATCH):
        rows = [_rows(Study(number)) for number in range(first, min(first + BATCH, count))]
        with database.write() as connection:
            connection.execute(insert(patients), [patient for patient, _, _ in rows[::2]])
            connection.execute(insert(studies), [study for _, study, _ in rows])
            connection.execute(insert(series), [one for _, _, one in rows])
    if database.dialect == "postgresql":  # as autovacuum does in life: an index is then read alone
        connection = database.own_connection()
        connection.execute("VACUUM ANALYZE")
        connection.close()
    else:
        with database.write() as connection:
            connection.execute(text("ANALYZE"))
    retally(database)
    database.close()


def _rows(study: Study) -> tuple[Row, Row, Row]:
    """The rows of a study's patient, of itself and of its series; keys count up from 1."""
    pk, patient_pk = study.number + 1, study.number // 2 + 1
    values = {
        "PatientName": study.patient_name,
        "PatientID": study.patient_id,
        "PatientBirthDate": f"{1930 + study.number // 2 % 90}0601",
        "PatientSex": "FMO"[study.number // 2 % 3],
        "StudyInstanceUID": study.uid,
        "StudyDate": study.date,
        "StudyTime": study.time,
        "AccessionNumber": study.accession,
        "StudyID": str(study.number),
        "StudyDescription": study.description,
        "SeriesInstanceUID": uid(study.number, 1),
        "SeriesNumber": "1",
        "Modality": study.modality,
    }
    patient = {
        "identity": patient_identity(values, study.uid),
        "number_of_patient_related_studies": 2,
        "number_of_patient_related_series": 2,
        "number_of_patient_related_instances": 200,
    }
    own = {
        "patient_pk": patient_pk,
        "state": State.UNREAD,
        "modalities_in_study": study.modality,
        "number_of_study_related_series": 1,
        "number_of_study_related_instances": 100,
        "first_received_at": EPOCH,
        "last_received_at": EPOCH,
    }
    one_series = {"study_pk": pk, "number_of_series_related_instances": 100}
    return (
        _row(Level.PATIENT, values, pk=patient_pk, **patient),
        _row(Level.STUDY, values, pk=pk, **own),
        _row(Level.SERIES, values, pk=pk, **one_series),
    )


def _row(level: Level, values: Row, **more: Any) -> Row:
    return {**attribute_row(level, values), "org_id": ORGANIZATION, **more}
