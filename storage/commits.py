"""Group commit: of many waiting threads, one commits for all.

Making a transaction durable costs a wait for the disk, however little is in it. So the first thread
takes all waiting entries and commits them together, while later ones queue behind it. A lone entry
neither waits for others nor changes threads.
`submit` returns when the entry's transaction is durable (law 1). `defer` is for entries without a waiting
caller: they join the next transaction, or soon get one of their own, and are retried while the database is
unavailable or its disk full. When too many accumulate, some are dropped, which is logged.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

import structlog

from pacs.errors import DatabaseUnavailable, StorageFull, Unavailable
from storage.database import Database
from storage.feeds import RetryTransaction, Transaction, transaction

log = structlog.get_logger(__name__)

E = TypeVar("E")
R = TypeVar("R")

Enter = Callable[[Transaction, Sequence[E]], Sequence[R]]
"""Writes entries in a transaction. `RetryTransaction` rolls it back and fails the entries it names. Must be
idempotent: entries are written again when the answer to a commit was lost."""

GATHERING = 0.05  # seconds for which deferred entries are gathered
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds between attempts at an unavailable database


@dataclass(frozen=True, slots=True)
class CommitLimits:
    """`patience`: seconds that an entry waits for an unavailable database."""

    patience: float = 15.0
    batch: int = 64
    waiting: int = 1024


class _Waiting(Generic[E, R]):
    """An entry and, once `done`, its outcome, which the leading thread writes."""

    __slots__ = ("_error", "_result", "deadline", "deferred", "done", "entry")

    def __init__(self, entry: E, deadline: float, deferred: bool) -> None:
        self.entry = entry
        self.deadline = deadline
        self.deferred = deferred
        self.done = False
        self._result: R | None = None
        self._error: BaseException | None = None

    def settle(self, result: R) -> None:
        self._result, self.done = result, True

    def fail(self, error: BaseException) -> None:
        self._error, self.done = error, True

    def result(self) -> R:
        if self._error is not None:
            raise self._error
        return cast("R", self._result)


class Committer(Generic[E, R]):
    """One per process, made after forking."""

    def __init__(self, database: Database, enter: Enter[E, R], limits: CommitLimits | None = None) -> None:
        self._database = database
        self._enter = enter
        self._limits = limits or CommitLimits()
        self._queue: queue.Queue[_Waiting[E, R]] = queue.Queue(self._limits.waiting)
        self._leading = threading.Lock()  # its holder completes every entry that it takes from the queue
        self._deferred = threading.Event()
        self._beginning = threading.Lock()
        self._behind: threading.Thread | None = None
        self._away = False
        self._closing = False
        self._closed = False

    def submit(self, entry: E) -> R:
        """`DatabaseUnavailable` when the database stays unavailable, `StorageFull` when its disk is full."""
        waiting = self._put(entry)
        with self._leading:
            while not waiting.done:
                if self._closed:
                    raise DatabaseUnavailable("shutting down")
                self._lead(self._take())
        return waiting.result()

    def defer(self, entry: E) -> None:
        """Commit soon, with other entries or alone. A clean shutdown waits for it; a crash may lose it.

        `DatabaseUnavailable` when too many entries wait already.
        """
        self._begin_following()
        self._put(entry, deferred=True)
        self._deferred.set()

    def _begin_following(self) -> None:
        """If no thread can be started now, the entries go with the next submitted one, and the next deferred
        one tries again."""
        with self._beginning:
            if self._behind is None:
                behind = threading.Thread(target=self._follow, name="deferred", daemon=True)
                with suppress(RuntimeError):
                    behind.start()
                    self._behind = behind

    def _follow(self) -> None:
        while not self._closed:
            self._deferred.wait()
            time.sleep(LONGEST_PAUSE if self._away else GATHERING)
            self._deferred.clear()
            for _ in range(0, self._queue.qsize(), self._limits.batch):  # later entries are gathered anew
                with self._leading:
                    self._lead(self._take())

    def _put(self, entry: E, *, deferred: bool = False) -> _Waiting[E, R]:
        if self._closing:
            raise DatabaseUnavailable("shutting down")
        patience = self._limits.patience
        waiting: _Waiting[E, R] = _Waiting(entry, time.monotonic() + patience, deferred)
        try:
            self._queue.put(waiting, timeout=patience)
        except queue.Full:
            raise DatabaseUnavailable from None
        return waiting

    def close(self) -> None:
        """Commit the waiting entries. Later ones are refused."""
        self._closing = True
        with self._leading:
            while batch := self._take():
                self._lead(batch)
            self._closed = True
        self._deferred.set()

    def _take(self) -> list[_Waiting[E, R]]:
        batch: list[_Waiting[E, R]] = []
        with suppress(queue.Empty):
            while len(batch) < self._limits.batch:
                batch.append(self._queue.get_nowait())
        return batch

    def _lead(self, batch: list[_Waiting[E, R]]) -> None:
        try:
            self._commit(batch)
        finally:  # however this thread ends, no other may wait for it for ever
            _fail([waiting for waiting in batch if not waiting.done], DatabaseUnavailable())

    def _commit(self, batch: list[_Waiting[E, R]]) -> None:
        pause = FIRST_PAUSE
        while batch:
            try:
                self._attempt(batch)
                return
            except RetryTransaction as again:
                batch = [w for w in batch if not _failed(w, again)]
            except StorageFull as error:
                self._give_up(batch, error)
                return
            except Unavailable as error:
                log.warning("commit postponed", entries=len(batch), cause=type(error.__cause__).__name__)
                now = time.monotonic()
                self._give_up([w for w in batch if w.deadline <= now], error)
                batch = [w for w in batch if w.deadline > now]
                time.sleep(pause if batch else 0)
                pause = min(pause * 2, LONGEST_PAUSE)
            except Exception as error:
                if len(batch) == 1:
                    _fail(batch, error)
                else:  # one entry is at fault: commit the others without it
                    for waiting in batch:
                        self._commit([waiting])
                return

    def _give_up(self, batch: list[_Waiting[E, R]], error: Unavailable) -> None:
        """Fail the waiting entries. Deferred ones are requeued up to half the queue; the rest is lost."""
        self._away = True
        for waiting in batch:
            if waiting.deferred and not self._closing and self._queue.qsize() < self._limits.waiting // 2:
                waiting.fail(error)
                self._queue.put_nowait(_Waiting(waiting.entry, 0.0, True))
                self._deferred.set()
            else:
                _fail([waiting], error)

    def _attempt(self, batch: list[_Waiting[E, R]]) -> None:
        with transaction(self._database) as under_way:
            results = self._enter(under_way, [waiting.entry for waiting in batch])
        self._away = False
        for waiting, result in zip(batch, results, strict=True):
            waiting.settle(result)


def _failed(waiting: _Waiting[E, R], again: RetryTransaction) -> bool:
    error = again.failed.get(id(waiting.entry))
    if error is not None:
        _fail([waiting], error)
    return error is not None


def _fail(batch: list[_Waiting[E, R]], error: BaseException) -> None:
    for waiting in batch:
        waiting.fail(error)
        if waiting.deferred:  # no caller will report it
            log.error("a deferred entry is lost", reason=type(error).__name__)
