"""How a job tells its task's followers how far it is."""

from __future__ import annotations

import time
from enum import Enum, auto

from pacs.jobs.tasks import MAX_FAILURES, Failure, Progress, Task
from pacs.ports import Tasks

REPORT_EVERY = 0.5  # seconds


class Done(Enum):
    PROCESSED = auto()
    SKIPPED = auto()


class ProgressReporter:
    """Counts the items of a task in their order, and reports them twice a second.

    A job that runs again skips as many items as were reported: count each only after those before it.
    """

    def __init__(self, tasks: Tasks, task: Task) -> None:
        """Reports that the task is running."""
        self._tasks = tasks
        self._task = tasks.report(task, Progress())
        self._progress = Progress()
        self._reported_at = time.monotonic()

    def count(self, outcome: Done | Failure) -> None:
        if outcome is Done.PROCESSED:
            self._progress.processed += 1
        elif outcome is Done.SKIPPED:
            self._progress.skipped += 1
        else:
            self._progress.failed += 1
            self._progress.failures.append(outcome)
        if time.monotonic() - self._reported_at > REPORT_EVERY:
            self.report()

    def report(self) -> Task:
        """Report what was counted since the last report; returns the task as it is now."""
        if self._progress.items:
            del self._progress.failures[MAX_FAILURES:]
            self._task = self._tasks.report(self._task, self._progress)
            self._progress = Progress()
        self._reported_at = time.monotonic()
        return self._task
