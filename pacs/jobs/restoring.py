"""The job that restores deleted instances: their objects are stored again as if they were uploaded.

One after the other, as order decides which version of an instance is current.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pacs.archive import Archive
from pacs.jobs.job import ClaimedJob
from pacs.jobs.uploading import TakeInUpload
from pacs.ports import Keeping, Tasks


@dataclass(frozen=True, slots=True)
class Restore:
    """Handler of `restore` jobs. `ending`: whether this worker is about to end."""

    archive: Archive
    tasks: Tasks
    keeping: Keeping
    ending: Callable[[], bool] = bool

    def __call__(self, job: ClaimedJob) -> None:
        remember = partial(self.keeping.remember, job.organization, job.payload["deletion"])
        TakeInUpload(self.archive, self.tasks, self.ending, at_once=1, lastly=remember)(job)
