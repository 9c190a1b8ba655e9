"""The job that regenerates what is derived from a study's objects: metadata and thumbnails.

It may be interrupted anywhere: when it runs again it skips the instances reported as done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from pacs.errors import NotConvertible, NotFound, PacsError, Unavailable
from pacs.framing import frame_index_of
from pacs.jobs.job import ClaimedJob, Interrupted
from pacs.jobs.progress import Done, ProgressReporter
from pacs.jobs.tasks import Failure, Status, Task
from pacs.metadata import Metadata
from pacs.model import StoredInstance
from pacs.ports import Tasks
from pacs.rendering import THUMBNAIL, Rendering, RenderRequest, Tier, is_image


@dataclass(frozen=True, slots=True)
class Process:
    """Handler of `process` jobs. `stopping`: whether this worker is about to end."""

    tasks: Tasks
    metadata: Metadata
    rendering: Rendering
    stopping: Callable[[], bool] = lambda: False

    def __call__(self, job: ClaimedJob) -> None:
        task = self.tasks.get(job.organization, job.payload["task"])
        if task is None or task.status.over:
            return
        progress = ProgressReporter(self.tasks, task)
        for instance in islice(self._instances(task), task.done, None):
            if self.stopping() or not job.is_held():
                progress.report()
                raise Interrupted
            progress.count(self._renew(task, instance))
        self.tasks.finish(progress.report(), Status.COMPLETED, "")

    def _instances(self, task: Task) -> Iterator[StoredInstance]:
        """Empty when the study was deleted meanwhile."""
        with suppress(NotFound):
            yield from self.rendering.archive.retrieve(task.actor, task.study_instance_uid or "")

    def _renew(self, task: Task, instance: StoredInstance) -> Done | Failure:
        """An instance that has nothing to render is done, too."""
        try:
            self.metadata.renew(task.actor, instance.identity)
            self.rendering.forget(task.actor, instance)
            if is_image(instance):
                middle = len(frame_index_of(instance)) // 2
                wanted = RenderRequest("image/jpeg", (middle,), THUMBNAIL, Tier.THUMBNAIL)
                with suppress(NotConvertible):
                    self.rendering.rendered(task.actor, instance, wanted)
        except Unavailable:
            raise
        except PacsError as error:
            return Failure(instance.identity.sop_instance_uid, error.code, str(error))
        return Done.PROCESSED
