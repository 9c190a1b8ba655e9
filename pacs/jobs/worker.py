"""A worker takes jobs from the queue, one at a time, and keeps its lease while it works.

A job runs at least once: a worker that is killed, or cut off for longer than its lease, has its
job taken over. So handlers make sure themselves that running twice does no harm.

A job whose turn comes while the disk is full or the object store away has not failed: it waits, however long.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from pacs.errors import Unavailable
from pacs.jobs.job import ClaimedJob, next_attempt
from pacs.ports import JobQueue

log = structlog.get_logger(__name__)

Handler = Callable[[ClaimedJob], None]

RENEWALS = 3
"""How often a lease is renewed within its length."""
AWAY = timedelta(seconds=30)
"""How long a job waits for what is away, before it looks again."""


@dataclass(frozen=True)
class Worker:
    """`handlers`: what does each kind of job. `poll`: seconds between looks at an empty queue.

    `wait` may end sooner, when it learns of a job; it must when the event is set.
    """

    queue: JobQueue
    handlers: Mapping[str, Handler]
    name: str
    lease: timedelta = timedelta(seconds=60)
    poll: float = 1.0
    wait: Callable[[threading.Event, float], object] = threading.Event.wait

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; the job under way is finished first."""
        while not stop.is_set():
            try:
                if self.work():
                    continue
            except Unavailable as error:
                log.warning("job queue away", error=str(error))
            self.wait(stop, self.poll)

    def work(self) -> bool:
        """Do one job that is due; False when there is none."""
        job = self.queue.claim(self.name, self.lease)
        if job is None:
            return False
        with structlog.contextvars.bound_contextvars(
            correlation_id=job.correlation_id, job=job.id, kind=job.kind
        ):
            self._do(job)
        return True

    def _do(self, job: ClaimedJob) -> None:
        handler = self.handlers.get(job.kind)
        if handler is None:
            self.queue.fail(job, "nothing here does this kind of job")
            return
        try:
            with self._lease_kept(job):
                handler(job)
        except Unavailable as error:
            log.warning("job waits", code=error.code)
            untried = replace(job, attempt=job.attempt - 1)
            self.queue.retry(untried, datetime.now(UTC) + AWAY, type(error).__name__)
        except Exception as error:
            log.warning("job failed", attempt=job.attempt, exc_info=True)
            self._again(job, type(error).__name__)
        else:
            self.queue.complete(job)

    def _again(self, job: ClaimedJob, error: str) -> None:
        at = next_attempt(job, datetime.now(UTC))
        if at is None:
            self.queue.fail(job, error)
        else:
            self.queue.retry(job, at, error)

    @contextmanager
    def _lease_kept(self, job: ClaimedJob) -> Iterator[None]:
        done = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(job, done), name="lease", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            done.set()
            keeper.join()

    def _keep(self, job: ClaimedJob, done: threading.Event) -> None:
        while not done.wait(self.lease.total_seconds() / RENEWALS):
            try:
                if not self.queue.renew(job, self.lease):
                    log.warning("job taken over by another worker", job=job.id, kind=job.kind)
                    return
            except Exception as error:  # the job goes on, and so must its lease
                log.warning("lease not renewed", job=job.id, kind=job.kind, reason=type(error).__name__)
