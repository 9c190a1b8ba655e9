"""The job that restores deleted instances: their objects are stored again as if they were uploaded.

One after the other, as order decides which version of an instance is current. When one cannot be stored, the
deletion keeps the bytes of all, so that it can be restored again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from pacs.archive import Archive
from pacs.jobs.job import ClaimedJob
from pacs.jobs.tasks import Task
from pacs.jobs.uploading import StoreUpload
from pacs.ports import BlobReader, StudyManagement, Tasks
from pacs.uploaded_file import Member, UploadedFile


@dataclass(frozen=True, slots=True)
class Restore:
    """Handler of `restore` jobs. `stopping`: whether this worker is about to end."""

    archive: Archive
    tasks: Tasks
    management: StudyManagement
    stopping: Callable[[], bool] = lambda: False

    def __call__(self, job: ClaimedJob) -> None:
        StoreUpload(
            self.archive,
            self.tasks,
            self.stopping,
            at_once=1,
            members=_instance,
            on_complete=partial(self._complete, job.payload["deletion"]),
        )(job)

    def _complete(self, deletion: str, task: Task) -> str:
        self.management.restore_details(task.actor.organization, deletion)
        if not task.failed:
            return ""
        self.management.undo_restore(task, deletion)
        return "not everything could be restored; what is deleted is kept, so try again"


def _instance(reader: BlobReader) -> Iterator[Member]:
    """What was stored once is an instance, whatever else it looks like, unless the disk has damaged it."""
    for _ in reader.verified():
        pass
    yield UploadedFile(reader, reader.size).whole
