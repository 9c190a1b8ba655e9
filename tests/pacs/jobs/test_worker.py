"""A worker keeps what it works on, whatever goes wrong meanwhile."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from pacs.errors import DatabaseUnavailable
from pacs.jobs.job import ClaimedJob
from pacs.jobs.worker import Worker


class Queue:
    """One job; its lease is renewed by a database that has its moods."""

    def __init__(self) -> None:
        self.moods: list[Exception] = [DatabaseUnavailable(), RuntimeError("a bug")]
        self.renewed = threading.Event()
        self.ended = ""

    def claim(self, worker: str, lease: timedelta) -> ClaimedJob | None:
        return ClaimedJob(1, 1, "wait", {}, 1, 3, "token", "abc")

    def renew(self, job: ClaimedJob, lease: timedelta) -> bool:
        if self.moods:
            raise self.moods.pop()
        self.renewed.set()
        return True

    def complete(self, job: ClaimedJob) -> None:
        self.ended = "complete"

    def retry(self, job: ClaimedJob, at: datetime, error: str) -> None:
        self.ended = "retry"

    def fail(self, job: ClaimedJob, error: str) -> None:
        self.ended = "fail"


def test_a_lease_that_could_not_be_renewed_is_tried_again() -> None:
    queue = Queue()

    def wait(job: ClaimedJob) -> None:
        assert queue.renewed.wait(60)

    assert Worker(queue, {"wait": wait}, "w", timedelta(milliseconds=30)).work()
    assert queue.ended == "complete"


def test_a_job_is_logged_under_the_id_of_what_asked_for_it() -> None:
    queue = Queue()
    with capture_logs([merge_contextvars]) as lines:
        assert Worker(queue, {"wait": lambda job: None}, "w").work()
    (line,) = lines
    assert (line["event"], line["correlation_id"], line["tenant"], line["kind"]) == (
        "job done",
        "abc",
        1,
        "wait",
    )
