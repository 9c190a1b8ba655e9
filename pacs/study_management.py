"""What users do to studies: announce, amend, delete, restore.

A deleted object disappears at once and everywhere; its bytes stay for the retention period.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from pacs.model import Values
from pacs.study_states import State

RETENTION = timedelta(days=30)
"""How long the bytes of deleted objects are kept."""


class Priority(StrEnum):
    STAT = "stat"
    URGENT = "urgent"
    NORMAL = "normal"
    LOW = "low"


def new_uid() -> str:
    """A unique UID derived from a UUID (PS3.5 §B.2)."""
    return f"2.25.{uuid.uuid4().int}"


@dataclass(frozen=True, slots=True)
class Expected:
    """A study announced before its images. `values`: known attributes of the study and its patient."""

    study_instance_uid: str
    values: Values
    priority: Priority = Priority.NORMAL
    clinical_notes: str | None = None
    body_part: str | None = None


@dataclass(frozen=True, slots=True)
class Amendment:
    """Changes to a study; None leaves a field unchanged. `values`: only before it has images."""

    priority: Priority | None = None
    clinical_notes: str | None = None
    body_part: str | None = None
    state: State | None = None
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deletion:
    """`sop_instance_uid` None: the whole study. `restored_by`: the task that brings it back.

    The patient's attributes are kept until its bytes are purged, which may happen as soon as it is `over`.
    """

    id: str
    study_instance_uid: str
    sop_instance_uid: str | None
    instances: int
    reason: str
    actor_name: str
    deleted_at: datetime
    purge_at: datetime
    over: bool = False
    restored_by: str | None = None
    patient_id: str | None = None
    patient_name: str | None = None
    study_date: str | None = None
    study_description: str | None = None
    accession_number: str | None = None
    modalities_in_study: str | None = None

    @property
    def can_be_restored(self) -> bool:
        return bool(self.instances) and self.restored_by is None and not self.over
