"""Group commit: many threads wait, one of them commits for all.

Making a transaction durable costs a wait for the disk, whatever is in it. So the first that comes
takes all entries that wait and commits them together, while those that come meanwhile gather behind
it. A lone entry neither waits for company nor is handed to another thread.
`submit` returns when the entry's transaction is durable (law 1); `defer` is for what nobody waits
for: it goes with the next transaction, at the latest with one of its own, and comes again as long as
the database is away or its disk full. When many wait, some of these are lost, which the log tells.
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
from storage.feeds import BeginAgain, Transaction, transaction

log = structlog.get_logger(__name__)

E = TypeVar("E")
R = TypeVar("R")

Enter = Callable[[Transaction, Sequence[E]], Sequence[R]]
"""Puts entries into a transaction. `BeginAgain` undoes it, and fails those it names. Entries of a
transaction whose commit's answer was lost come again: they must not count twice."""

GATHERING = 0.05  # seconds in which deferred entries come together
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds between attempts at a database that is away


@dataclass(frozen=True, slots=True)
class CommitLimits:
    """`patience`: seconds that an entry waits for a database that is away."""

    patience: float = 20.0
    batch: int = 64
    waiting: int = 1024


class _Waiting(Generic[E, R]):
    """An entry, and what became of it once it is `done`: written and read by who leads."""

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
        self._leading = threading.Lock()  # what its holder takes from the queue, it answers
        self._deferred = threading.Event()
        self._behind: threading.Thread | None = None
        self._away = False
        self._closing = False
        self._closed = False

    def submit(self, entry: E) -> R:
        """`DatabaseUnavailable` when the database stays away, `StorageFull` when its disk is full."""
        waiting = self._put(entry)
        with self._leading:
            while not waiting.done:
                if self._closed:
                    raise DatabaseUnavailable("shutting down")
                self._lead(self._take())
        return waiting.result()

    def defer(self, entry: E) -> None:
        """Committed soon, with what others submit or by itself; a clean end waits for it, a crash may not.

        `DatabaseUnavailable` when too much waits already.
        """
        self._put(entry, deferred=True)
        if self._behind is None:
            with self._leading:
                if self._behind is None:
                    self._behind = threading.Thread(target=self._follow, name="deferred", daemon=True)
                    self._behind.start()
        self._deferred.set()

    def _follow(self) -> None:
        while not self._closed:
            self._deferred.wait()
            time.sleep(LONGEST_PAUSE if self._away else GATHERING)
            self._deferred.clear()
            for _ in range(0, self._queue.qsize(), self._limits.batch):  # what comes meanwhile gathers anew
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
        """Commit what waits. Entries that come after are refused."""
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
        finally:  # whatever ends this thread, nobody waits for it for ever
            _fail([waiting for waiting in batch if not waiting.done], DatabaseUnavailable())

    def _commit(self, batch: list[_Waiting[E, R]]) -> None:
        pause = FIRST_PAUSE
        while batch:
            try:
                self._attempt(batch)
                return
            except BeginAgain as again:
                batch = [w for w in batch if not _failed(w, again)]
            except StorageFull as error:
                self._give_up(batch, error)
                return
            except Unavailable as error:
                log.warning("database away", entries=len(batch), cause=type(error.__cause__).__name__)
                now = time.monotonic()
                self._give_up([w for w in batch if w.deadline <= now], error)
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

    def _give_up(self, batch: list[_Waiting[E, R]], error: Unavailable) -> None:
        """Who waits is told. Of what is deferred half a queue may come again; the rest is lost."""
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


def _failed(waiting: _Waiting[E, R], again: BeginAgain) -> bool:
    error = again.failed.get(id(waiting.entry))
    if error is not None:
        _fail([waiting], error)
    return error is not None


def _fail(batch: list[_Waiting[E, R]], error: BaseException) -> None:
    for waiting in batch:
        waiting.fail(error)
        if waiting.deferred:  # nobody will ask
            log.error("a deferred entry is lost", reason=type(error).__name__)
