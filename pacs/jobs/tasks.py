"""Work that somebody started and follows: an upload on its way into the archive."""

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
MAX_FAILURES = 200
"""Failures that are told one by one; all are counted."""


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
    """One file as it came. `name` is what the sender calls it: shown, never a path. `items`: how many
    are in it."""

    blob: Blob
    name: str
    items: int = 1


@dataclass(frozen=True, slots=True)
class Failure:
    name: str
    code: str
    message: str


@dataclass(slots=True)
class Advance:
    """What has been done since the last time that this was said."""

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
        """Per cent; 100 only when it is over."""
        if self.status.over:
            return 100
        return min(99, 100 * self.done // self.total) if self.total else 0
