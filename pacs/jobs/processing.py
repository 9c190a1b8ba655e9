"""The job that regenerates what is derived from a study's objects: metadata and thumbnails.

It may be interrupted anywhere: when it runs again it skips the instances reported as done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from pacs.errors import NotConvertible, NotFound, PacsError, Unavailable
from pacs.framing import frame_index_of
from pacs.jobs.job import ClaimedJob, Interrupted
from pacs.jobs.tasks import MAX_FAILURES, Failure, Progress, Status, Task
from pacs.metadata import Metadata
from pacs.model import StoredInstance
from pacs.ports import Tasks
from pacs.rendering import THUMBNAIL, Rendering, RenderRequest, Tier, is_image

REPORT_EVERY = 0.5  # seconds


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
        done, reported_at = task.done, time.monotonic()
        task, progress = self.tasks.report(task, Progress()), Progress()
        for position, instance in enumerate(self._instances(task)):
            if position < done:
                continue
            if self.stopping() or not job.is_held():
                self.tasks.report(task, progress)
                raise Interrupted
            if failure := self._make(task, instance):
                progress.failed += 1
                progress.failures = [*progress.failures, failure][:MAX_FAILURES]
            else:
                progress.processed += 1
            if time.monotonic() - reported_at > REPORT_EVERY:
                task = self.tasks.report(task, progress)
                progress, reported_at = Progress(), time.monotonic()
        task = self.tasks.report(task, progress)
        self.tasks.finish(task, Status.COMPLETED, "")

    def _instances(self, task: Task) -> Iterator[StoredInstance]:
        """Empty when the study was deleted meanwhile."""
        with suppress(NotFound):
            yield from self.rendering.archive.retrieve(task.actor, task.study_instance_uid or "")

    def _make(self, task: Task, instance: StoredInstance) -> Failure | None:
        """None on success, and for an instance that has nothing to render."""
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
        return None
