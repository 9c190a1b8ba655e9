"""The job that brings back what was deleted: its objects come in again like an upload.

One after the other: of the versions of an instance, the one that came first is the current one.
"""

from __future__ import annotations

from dataclasses import dataclass

from pacs.archive import Archive
from pacs.jobs.job import ClaimedJob
from pacs.jobs.uploading import TakeInUpload
from pacs.ports import Keeping, Tasks


@dataclass(frozen=True, slots=True)
class Restore:
    """Handler of `restore`."""

    archive: Archive
    tasks: Tasks
    keeping: Keeping

    def __call__(self, job: ClaimedJob) -> None:
        TakeInUpload(self.archive, self.tasks, at_once=1)(job)
        self.keeping.remember(job.organization, job.payload["deletion"])
