"""Patient and study of an object that carries neither, such as a photograph or a scanned document.

What the archive already knows takes precedence over the sender's form, so that one patient does
not become two.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from pacs.attributes import BY_KEYWORD, TABLE, UNIQUE_KEY, Level
from pacs.capture import CaptureContext
from pacs.errors import DataSetMismatch, Unprocessable
from pacs.jobs.tasks import Task
from pacs.model import Values
from pacs.ports import Index
from pacs.search.query import Condition, OneOf, Query

FormAttributes = Mapping[str, str]
"""Keyword → value, as the fields of an upload's form state them."""

OTHER = "OT"
OF_SERIES = ("Modality", "SeriesDescription", "BodyPartExamined")

_PATIENT = tuple(a for a in TABLE if a.level is Level.PATIENT and not a.computed)
_STUDY = tuple(a for a in TABLE if a.level is Level.STUDY and not a.computed)


def subject(index: Index, organization: int, attributes: FormAttributes, defaults: Values) -> Values:
    """The attributes of patient and study. `attributes` names a study, a patient, or both.

    `defaults`: for a study that is neither known nor described. `Unprocessable` when no patient is named,
    `DataSetMismatch` when the named study belongs to another patient.
    """
    uid, patient = attributes.get("StudyInstanceUID", ""), attributes.get("PatientID", "")
    if uid and (study := _known(index, organization, Level.STUDY, uid)):
        if patient not in ("", study.get("PatientID", "")):
            raise DataSetMismatch("the study belongs to another patient")
        return study
    if not patient:
        raise Unprocessable("the file is not DICOM: give study_instance_uid of a known study, or patient_id")
    here = {a.keyword for a in (*_PATIENT, *_STUDY)}
    own = {keyword: value for keyword, value in attributes.items() if keyword in here and value}
    return {**defaults, **own, **(_known(index, organization, Level.PATIENT, patient) or {})}


def capture_context(index: Index, task: Task, attributes: FormAttributes, position: int) -> CaptureContext:
    """Where the item at `position` of an upload belongs; all items of an upload form one series."""
    if task.study_instance_uid:
        attributes = {**attributes, "StudyInstanceUID": task.study_instance_uid}
    at = task.created_at.astimezone()
    new = {"StudyInstanceUID": _uid(task, "study"), "StudyDate": f"{at:%Y%m%d}", "StudyTime": f"{at:%H%M%S}"}
    series = {
        "SeriesInstanceUID": _uid(task, "series"),
        "Modality": OTHER,
        **{keyword: attributes[keyword] for keyword in OF_SERIES if attributes.get(keyword)},
    }
    whose = subject(index, task.actor.organization, attributes, new)
    return CaptureContext(whose, series, instance_uid(task, position), position + 1, at)


def instance_uid(task: Task, position: int) -> str:
    return _uid(task, f"instance {position}")


def _uid(task: Task, name: str) -> str:
    """A UID derived from the task (PS3.5 §B.2), so that a repeated run yields the same."""
    return f"2.25.{uuid.uuid5(uuid.UUID(task.id), name).int}"


def _known(index: Index, organization: int, level: Level, uid: str) -> Values | None:
    """None also when the ID is ambiguous: several patients have it from different issuers."""
    include = _PATIENT if level is Level.PATIENT else (*_PATIENT, *_STUDY)
    condition = Condition(BY_KEYWORD[UNIQUE_KEY[level]], OneOf((uid,)))
    found = index.page(organization, Query(level, (condition,), include, limit=2, expected=True)).answers
    wanted = {a.keyword for a in include}
    return {k: v for k, v in found[0].items() if k in wanted} if len(found) == 1 else None
