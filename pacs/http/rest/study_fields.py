"""What a caller may say of a study and its patient, before and after its images arrive."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field

from pacs.http.rest.bodies import Body
from pacs.study_management import Priority
from pacs.study_states import State

Line = Annotated[str, Field(max_length=64, pattern=r"^[^\\\x00-\x1f\x7f]*$")]
"""A LO value (PS3.5 §6.2)."""
Name = Annotated[str, Field(max_length=194, pattern=r"^[^\\\x00-\x1f\x7f]*$")]


def _of_the_calendar(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError("not a date of the calendar") from None
    return text


Day = Annotated[
    str, Field(pattern="^[0-9]{4}(-[0-9]{2}-|[0-9]{2})[0-9]{2}$"), AfterValidator(_of_the_calendar)
]
Uid = Annotated[str, Field(max_length=64, pattern=r"^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+$")]
"""PS3.5 §9.1 without tolerance, as this is a UID that we assign."""
BodyPart = Annotated[str, Field(pattern="^[A-Z0-9_ ]{1,16}$")]
"""A CS value (PS3.5 §6.2), as Body Part Examined has."""
Notes = Annotated[str, Field(max_length=10_000, pattern=r"^[^\x00]*$")]


class StudyFields(Body):
    """The fields of a study and its patient that a caller may set."""

    study_instance_uid: Uid | None = None
    patient_id: Line | None = None
    patient_name: Name | None = None
    patient_birth_date: Day | None = None
    patient_sex: Annotated[str, Field(pattern="^[MFO]$")] | None = None
    study_date: Day | None = None
    study_description: Line | None = None
    accession_number: Annotated[Line, Field(max_length=16)] | None = None
    referring_physician: Name | None = None
    modality: Annotated[str, Field(pattern="^[A-Z0-9_ ]{1,16}$")] | None = None


class NewStudy(StudyFields):
    """An announced study. Without a UID one is generated."""

    priority: Priority = Priority.NORMAL
    clinical_notes: Notes | None = None
    body_part: BodyPart | None = None


class StudyChanges(Body):
    """Absent fields stay unchanged. Fields that images carry can only be changed before images arrive."""

    priority: Priority | None = None
    clinical_notes: Notes | None = None
    body_part: BodyPart | None = None
    state: State | None = None
    study_date: Day | None = None
    study_description: Line | None = None
    accession_number: Annotated[Line, Field(max_length=16)] | None = None
    referring_physician: Name | None = None


KEYWORDS = {
    "patient_id": "PatientID",
    "patient_name": "PatientName",
    "patient_birth_date": "PatientBirthDate",
    "patient_sex": "PatientSex",
    "study_date": "StudyDate",
    "study_description": "StudyDescription",
    "accession_number": "AccessionNumber",
    "referring_physician": "ReferringPhysicianName",
    "modality": "Modality",
}


def as_dicom(body: Body, keywords: Mapping[str, str] = KEYWORDS) -> dict[str, str]:
    """Keyword → value of the fields that were given; `keywords`: field name → keyword."""
    given = {keywords[name]: value for name, value in body if name in keywords and value}
    for keyword in ("StudyDate", "PatientBirthDate"):
        if keyword in given:
            given[keyword] = given[keyword].replace("-", "")
    return given
