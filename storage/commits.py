"""Group commit: many threads wait, one commits.

Making a transaction durable costs a wait for the disk, whatever is in it. So one thread takes all
entries that wait and commits them together; a lone entry is never made to wait for company.
`submit` returns when the entry's transaction is durable (law 1).
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

from pacs.errors import DatabaseUnavailable, StorageFull, Unavailable
from storage.database import Database
from storage.feeds import BeginAgain, Transaction, transaction

log = structlog.get_logger(__name__)

E = TypeVar("E")
R = TypeVar("R")

Enter = Callable[[Transaction, Sequence[E]], Sequence[R]]
"""Puts entries into a transaction. `BeginAgain` undoes it, and fails those it names. Entries of a
transaction whose commit's answer was lost come again: they must not count twice."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds between attempts at a database that is away


@dataclass(frozen=True, slots=True)
class CommitLimits:
    """`patience`: seconds that an entry waits for a database that is away."""

    patience: float = 20.0
    batch: int = 64
    waiting: int = 1024


@dataclass(slots=True)
class _Waiting(Generic[E, R]):
    entry: E
    deadline: float
    answer: Future[R] = field(default_factory=Future)


class Committer(Generic[E, R]):
    """One per process, made after forking."""

    def __init__(self, database: Database, enter: Enter[E, R], limits: CommitLimits | None = None) -> None:
        self._database = database
        self._enter = enter
        self._limits = limits or CommitLimits()
        self._queue: queue.Queue[_Waiting[E, R] | None] = queue.Queue(self._limits.waiting)
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    def submit(self, entry: E) -> R:
        """`DatabaseUnavailable` when the database stays away, `StorageFull` when its disk is full."""
        if self._closed:
            raise DatabaseUnavailable("shutting down")
        patience = self._limits.patience
        waiting: _Waiting[E, R] = _Waiting(entry, time.monotonic() + patience)
        try:
            self._queue.put(waiting, timeout=patience)
        except queue.Full:
            raise DatabaseUnavailable from None
        if not self._thread.is_alive():  # closed since we looked
            self._refuse_the_rest()
        return waiting.answer.result()

    def close(self) -> None:
        """Commit what waits, then stop. Entries that come after are refused."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._refuse_the_rest()

    def _refuse_the_rest(self) -> None:
        while (left := self._next(wait=False)) is not None:
            left.answer.set_exception(DatabaseUnavailable("shutting down"))

    def _next(self, *, wait: bool) -> _Waiting[E, R] | None:
        try:
            return self._queue.get(block=wait)
        except queue.Empty:
            return None

    def _run(self) -> None:
        while (first := self._next(wait=True)) is not None:
            batch, last = [first], False
            while len(batch) < self._limits.batch and not last:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    last = True
                else:
                    batch.append(following)
            self._commit(batch)
            if last:
                return

    def _commit(self, batch: list[_Waiting[E, R]]) -> None:
        pause = FIRST_PAUSE
        while batch:
            try:
                self._attempt(batch)
                return
            except BeginAgain as again:
                batch = [w for w in batch if not _failed(w, again)]
            except StorageFull as error:
                _fail(batch, error)
                return
            except Unavailable as error:
                log.warning("database away", entries=len(batch), cause=type(error.__cause__).__name__)
                now = time.monotonic()
                _fail([w for w in batch if w.deadline <= now], error)
                batch = [w for w in batch if w.deadline > now]
                time.sleep(pause if batch else 0)
                pause = min(pause * 2, LONGEST_PAUSE)
            except Exception as error:
                if len(batch) == 1:
                    _fail(batch, error)
                else:  # one of them is at fault; the others must not suffer from it
                    for waiting in batch:
                        self._commit([waiting])
                return

    def _attempt(self, batch: list[_Waiting[E, R]]) -> None:
        with transaction(self._database) as under_way:
            results = self._enter(under_way, [waiting.entry for waiting in batch])
        for waiting, result in zip(batch, results, strict=True):
            waiting.answer.set_result(result)


def _failed(waiting: _Waiting[E, R], again: BeginAgain) -> bool:
    error = again.failed.get(id(waiting.entry))
    if error is not None:
        waiting.answer.set_exception(error)
    return error is not None


def _fail(batch: list[_Waiting[E, R]], error: BaseException) -> None:
    for waiting in batch:
        waiting.answer.set_exception(error)
