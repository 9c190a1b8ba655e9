"""Background work: what a job is and when a failed one is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

FIRST_DELAY = timedelta(seconds=5)
LONGEST_DELAY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class NewJob:
    """`key`: at most one waiting job of an organisation has it; None for no such limit. `delay`: until it
    is due, whatever this node takes for the time of day."""

    kind: str
    payload: Mapping[str, Any]
    delay: timedelta = timedelta(0)
    key: str | None = None
    max_attempts: int = 12


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """`attempt` counts from 1. `token` fences a worker whose lease ran out. `is_held`: whether it did not."""

    id: int
    organization: int
    kind: str
    payload: Mapping[str, Any]
    attempt: int
    max_attempts: int
    token: str
    correlation_id: str
    is_held: Callable[[], bool] = field(default=lambda: True, repr=False, compare=False)


class Interrupted(Exception):
    """The job is not over: this worker ends, or another one has taken it over."""


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ListedJob:
    """What an administrator may know of it: never what it is about."""

    id: int
    kind: str
    state: JobState
    attempt: int
    max_attempts: int
    run_at: datetime
    created_at: datetime
    worker: str | None
    last_error: str | None
    correlation_id: str


def next_attempt(job: ClaimedJob, now: datetime) -> datetime | None:
    """When to try a failed job again: exponential back-off with jitter; None when it has had its tries."""
    if job.attempt >= job.max_attempts:
        return None
    delay: timedelta = min(FIRST_DELAY * 2 ** (job.attempt - 1), LONGEST_DELAY)
    return now + delay * random.uniform(0.75, 1.25)
