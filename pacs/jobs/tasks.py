"""Tasks: background work that a user started and follows, such as an upload or a restoration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pacs.actor import Actor
from pacs.model import Blob

UPLOAD = "upload"
PROCESS = "process"
RESTORE = "restore"
KINDS = (UPLOAD, PROCESS, RESTORE)
FORM_ATTRIBUTES = "said"
"""Key of an upload's form attributes in its job's payload; queued jobs have it under this name."""
MAX_FAILURES = 200
"""Failures that are listed one by one; all are counted."""


class Status(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def over(self) -> bool:
        return self in (Status.COMPLETED, Status.FAILED)


@dataclass(frozen=True, slots=True)
class Upload:
    """One file as it was sent. `name`: the sender's, for display, never a path. `items`: files in it."""

    blob: Blob
    name: str
    items: int = 1


@dataclass(frozen=True, slots=True)
class Failure:
    name: str
    code: str
    message: str


@dataclass(slots=True)
class Progress:
    """Progress since the previous report."""

    processed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list[Failure] = field(default_factory=list)

    @property
    def items(self) -> int:
        return self.processed + self.failed + self.skipped


@dataclass(frozen=True, slots=True)
class Task:
    id: str
    kind: str
    status: Status
    actor: Actor
    study_instance_uid: str | None
    message: str
    total: int
    processed: int
    failed: int
    skipped: int
    failures: Sequence[Failure]
    created_at: datetime
    updated_at: datetime

    @property
    def done(self) -> int:
        return self.processed + self.failed + self.skipped

    @property
    def progress(self) -> int:
        """Per cent; 100 only when the task has ended."""
        if self.status.over:
            return 100
        return min(99, 100 * self.done // self.total) if self.total else 0
