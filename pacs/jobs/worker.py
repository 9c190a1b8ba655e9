"""A worker takes jobs from the queue, one at a time, and keeps its lease while it works.

A job runs at least once: the job of a worker that is killed, or cut off for longer than its lease, is
taken over by another one. So handlers are idempotent.

A job that finds the disk full or a store unavailable has not failed: it waits, for as long as that lasts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from pacs.errors import Unavailable
from pacs.jobs.job import ClaimedJob, Interrupted, next_attempt
from pacs.ports import JobQueue

log = structlog.get_logger(__name__)

Handler = Callable[[ClaimedJob], None]

RENEWALS = 3
"""Renewals within the length of a lease."""
AWAY = timedelta(seconds=30)
"""How long a job that found something unavailable waits before it is tried again."""


class _Lease:
    """As its holder knows it, who may have been frozen for longer, while others did the job."""

    def __init__(self, length: timedelta) -> None:
        self._length = length.total_seconds()
        self.begin(time.monotonic())

    def begin(self, at: float) -> None:
        self._until = at + self._length

    def is_held(self) -> bool:
        return time.monotonic() < self._until


@dataclass(frozen=True)
class Worker:
    """`handlers`: by kind of job. `poll`: seconds between looks at an empty queue.

    `wait` may return early when it learns of a job, and must when the event is set.
    """

    queue: JobQueue
    handlers: Mapping[str, Handler]
    name: str
    lease: timedelta = timedelta(seconds=60)
    poll: float = 1.0
    wait: Callable[[threading.Event, float], object] = threading.Event.wait

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; a running job is finished first, or interrupts itself."""
        while not stop.is_set():
            try:
                if self.work():
                    continue
            except Unavailable as error:
                log.warning("job queue unavailable", error=str(error))
            self.wait(stop, self.poll)

    def work(self) -> bool:
        """Run one job that is due; False when there is none."""
        lease = _Lease(self.lease)
        job = self.queue.claim(self.name, self.lease)
        if job is None:
            return False
        job = replace(job, is_held=lease.is_held)
        with structlog.contextvars.bound_contextvars(
            correlation_id=job.correlation_id, tenant=job.organization, job=job.id, kind=job.kind
        ):
            self._do(job, lease)
        return True

    def _do(self, job: ClaimedJob, lease: _Lease) -> None:
        handler = self.handlers.get(job.kind)
        if handler is None:
            self.queue.fail(job, "no handler is registered for this kind of job")
            return
        try:
            with self._lease_kept(job, lease):
                handler(job)
        except Unavailable as error:
            log.warning("job waits", code=error.code)
            untried = replace(job, attempt=job.attempt - 1)
            self.queue.retry(untried, datetime.now(UTC) + AWAY, type(error).__name__)
        except Interrupted:
            log.info("job interrupted")
            self.queue.retry(replace(job, attempt=job.attempt - 1), datetime.now(UTC), "interrupted")
        except Exception as error:
            log.warning("job failed", attempt=job.attempt, exc_info=True)
            self._again(job, type(error).__name__)
        else:
            self.queue.complete(job)
            log.info("job done")

    def _again(self, job: ClaimedJob, error: str) -> None:
        at = next_attempt(job, datetime.now(UTC))
        if at is None:
            self.queue.fail(job, error)
        else:
            self.queue.retry(job, at, error)

    @contextmanager
    def _lease_kept(self, job: ClaimedJob, lease: _Lease) -> Iterator[None]:
        done = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(job, lease, done), name="lease", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            done.set()
            keeper.join()

    def _keep(self, job: ClaimedJob, lease: _Lease, done: threading.Event) -> None:
        while not done.wait(self.lease.total_seconds() / RENEWALS):
            asked = time.monotonic()
            try:
                if not self.queue.renew(job, self.lease):
                    log.warning("job taken over by another worker", job=job.id, kind=job.kind)
                    return
                lease.begin(asked)
            except Exception as error:  # the job goes on, so the next renewal must be attempted
                log.warning("lease not renewed", job=job.id, kind=job.kind, reason=type(error).__name__)
