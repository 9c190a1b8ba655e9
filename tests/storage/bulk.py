"""Rows entered by the handful or by the million, without objects behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Update, and_, delete, insert, update

from pacs.attributes import LEVELS, Level, Matching, at_level
from pacs.model import Values
from storage.columns import EPOCH
from storage.rows import Row, attribute_row, item_rows, said_of_patient
from storage.tables import TABLES, TALLIES, org_heads, organizations, sequence_values

_PARENT = {Level.STUDY: "patient_pk", Level.SERIES: "study_pk", Level.IMAGE: "series_pk"}
_NOTHING = {Matching.NUMBER: 0, Matching.EXACT: None, Matching.UID: None}
_OWN: dict[Level, Row] = {
    Level.PATIENT: {},
    Level.STUDY: {"state": "unread", "first_received_at": EPOCH, "last_received_at": EPOCH},
    Level.SERIES: {},
    Level.IMAGE: {"current_version": 1},
}


@dataclass(frozen=True)
class Entity:
    """One row of a level: its values, and which entity of the level above it belongs to."""

    level: Level
    pk: int
    parent: int
    values: Values = field(default_factory=dict)
    organization: int = 1

    def row(self) -> Row:
        computed: dict[str, Any] = {
            attribute.column: self.values.get(attribute.keyword, _NOTHING[attribute.matching])
            for attribute in at_level(self.level)
            if attribute.computed
        }
        row = {**attribute_row(self.level, self.values), **_OWN[self.level], **computed}
        row |= {"pk": self.pk, "org_id": self.organization}
        if self.level is Level.PATIENT:
            row |= {"identity": str(self.pk), "number_of_patient_related_instances": 1}  # seen by all
        else:
            row[_PARENT[self.level]] = self.parent
        return row


def enter(connection: Connection, entities: Sequence[Entity]) -> None:
    """Whole levels at once, parents first."""
    for level in LEVELS:
        here = [entity for entity in entities if entity.level is level]
        if here:
            connection.execute(insert(TABLES[level]), [entity.row() for entity in here])
    if any(entity.level is Level.STUDY for entity in entities):
        connection.execute(_named_as_their_patients())
    items = [
        row
        for entity in entities
        for row in item_rows(entity.organization, entity.level, entity.pk, entity.values)
    ]
    if items:
        connection.execute(insert(sequence_values), items)
    for (organization, level), more in Counter((e.organization, e.level) for e in entities).items():
        name, this = TABLES[level].name, org_heads.c.org_id == organization
        connection.execute(update(org_heads).where(this).values({name: org_heads.c[name] + more}))


def _named_as_their_patients() -> Update:
    """Studies that say nothing of their patient say what the patient's row says."""
    studies, patients = TABLES[Level.STUDY], TABLES[Level.PATIENT]
    columns = list(said_of_patient({}))
    silent = and_(*(studies.c[column].is_(None) for column in columns))
    said = {column: patients.c[column] for column in columns}
    return update(studies).values(said).where(silent, patients.c.pk == studies.c.patient_pk)


def clear(connection: Connection) -> None:
    connection.execute(delete(sequence_values))
    for level in reversed(LEVELS):
        connection.execute(delete(TABLES[level]))
    connection.execute(update(org_heads).values(dict.fromkeys(TALLIES, 0)))


def add_organization(connection: Connection, number: int) -> None:
    code = f"org{number}"
    connection.execute(insert(organizations), [{"id": number, "code": code, "name": code}])
    connection.execute(insert(org_heads), {"org_id": number})


def studies(numbers: Iterable[int]) -> Iterable[Entity]:
    """Two studies a patient, one series each; some names, descriptions and modalities are rare."""
    for n in numbers:
        patient = n // 2 + 1
        if n % 2 == 0:
            family = "Quackenbush" if n % 5_000 == 0 else _FAMILIES[n // 2 % len(_FAMILIES)]
            named = {
                "PatientName": f"{family}{n // 40}^{_GIVEN[n // 2 % len(_GIVEN)]}",
                "PatientID": f"PID{patient:07}",
                "PatientBirthDate": f"{1930 + n % 90}{1 + n % 12:02}{1 + n % 28:02}",
            }
            yield Entity(Level.PATIENT, patient, 0, named)
        modality = "XA" if n % 5_000 == 1 else _MODALITIES[n % len(_MODALITIES)]
        study = {
            "StudyInstanceUID": f"1.2.{n + 1}",
            "StudyDate": f"{2005 + n % 20}{1 + n % 12:02}{1 + n % 28:02}",
            "StudyTime": f"{n % 24:02}{n % 60:02}{n % 60:02}",
            "AccessionNumber": f"A{n:09}",
            "StudyID": str(n % 1_000),
            "StudyDescription": "Cholangiopankreatikographie" if n % 5_000 == 2 else f"{modality} {n % 100}",
            "ModalitiesInStudy": modality,
        }
        yield Entity(Level.STUDY, n + 1, patient, study)
        one = {"SeriesInstanceUID": f"1.3.{n + 1}", "SeriesNumber": "1", "Modality": modality}
        yield Entity(Level.SERIES, n + 1, n + 1, one)


_FAMILIES = ("Rossi", "Smith", "Meyer", "Nowak", "Garcia", "Ivanov", "Tanaka", "Jensen", "Dubois", "Okafor")
_GIVEN = ("Anna", "John", "Maria", "Peter", "Yuki", "Olga", "Ali", "Eva")
_MODALITIES = ("CT", "MR", "CR", "DX", "US", "CT", "MR")
