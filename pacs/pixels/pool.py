"""A pool of worker processes: a bounded number of them, and a bounded number of waiting tasks.

A task that takes too much time or memory, or crashes a codec, ends its own worker; the next task gets a new
one. The caller gets an error with the reason, and its wait is bounded. Frames after the first of an answer
are `patient`, since an answer that has begun must not be broken off under load.
"""

from __future__ import annotations

import pickle
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import NamedTuple

from pacs import errors
from pacs.dicom.source import Source
from pacs.errors import NotConvertible, Unavailable
from pacs.pixels.channel import OPENING, Kind, receive, send, serve_read
from pacs.pixels.fair_semaphore import FairSemaphore
from pacs.pixels.fork_server import CLOCK, IDLE
from pacs.pixels.tasks import Task, Verify

WAITING = 128
"""Tasks that may wait for a worker; further ones are refused, unless they are patient."""
PATIENCE = 600.0
"""Seconds that a patient task waits for a worker."""
GRACE = 5.0
"""Seconds on top of a task's own before a silent worker is given up."""

_REFUSALS = {
    error.__name__: error
    for error in (
        errors.BadInput,
        errors.Damaged,
        errors.InvalidDataSet,
        errors.LimitExceeded,
        errors.NotFound,
    )
}
"""The errors besides `NotConvertible` that a worker may report."""


class _WorkerDied(NotConvertible):
    """This image is damaged, or takes more memory than is allowed."""


class _WorkerKilled(Unavailable):
    """The system ended a worker process, perhaps for lack of memory; try again soon."""


class _Order(NamedTuple):
    """What a worker is sent at once, and the object: as a file, or its beginning and the rest on request."""

    task: bytes
    source: Source
    file: int | None
    opening: bytes
    verify: Verify

    @classmethod
    def of(cls, task: Task, source: Source, verify: Verify | None) -> _Order:
        described = pickle.dumps((task, source.size), pickle.HIGHEST_PROTOCOL)
        if fileno := getattr(source, "fileno", None):
            return cls(described, source, fileno(), b"", verify or _nothing)
        if verify is not None:  # first, because this thread will then be answering the worker's reads
            verify()
        return cls(described, source, None, source.read_at(0, OPENING), _nothing)


def _nothing() -> None:
    pass


class Pool:
    """`spawn` starts a worker that gives each task `seconds` of processor time.

    With `spare`, one worker is always kept ready; else the first picture after a pause waits 20 to 30 ms.
    """

    def __init__(
        self, spawn: Callable[[], socket.socket], workers: int, seconds: float, spare: bool = False
    ) -> None:
        self._spawn = spawn
        self._seconds = seconds
        self._semaphore = FairSemaphore(workers)
        self._lock = threading.Lock()
        self._idle: list[tuple[float, socket.socket]] = []
        self._spare: socket.socket | None = None
        self._keeps_spare = spare
        self._replace_spare()

    def run(self, task: Task, source: Source, patient: bool = False, verify: Verify | None = None) -> bytes:
        """The task's result for `source`, which the caller keeps open.

        `NotConvertible` when it takes too much processor time or memory, `Unavailable` when too many wait or
        it was itself kept waiting.
        """
        with self._turn(patient):
            kind, answer = self._done(_Order.of(task, source, verify))
        if kind == Kind.RESULT:
            return answer
        name, _, message = answer.decode("utf-8", "replace").partition("\n")
        raise _REFUSALS.get(name, NotConvertible)(message)

    def _done(self, order: _Order) -> tuple[Kind, bytes]:
        """An idle worker may have died of another cause, so a new one tries again."""
        idle = self._take_idle() or self._started(self._take_spare)
        if idle is not None:
            with suppress(_WorkerDied, _WorkerKilled):
                return self._by(idle, order)
        new = self._started(self._spawn)
        if new is None:  # not the image's fault
            raise Unavailable("no worker process can be started; try again soon")
        return self._by(new, order)

    def _started(self, start: Callable[[], socket.socket]) -> socket.socket | None:
        """A worker that has reported ready, if there is one."""
        with suppress(EOFError, OSError, ValueError), ExitStack() as undo:
            worker = undo.enter_context(start())
            worker.settimeout(self._seconds * CLOCK + GRACE)
            if receive(worker)[0] == Kind.READY:
                undo.pop_all()
                return worker
        return None

    def _take_spare(self) -> socket.socket:
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is None:
            raise EOFError
        return spare

    def _replace_spare(self) -> None:
        with self._lock, suppress(OSError):  # it can be tried again with the next picture
            if self._keeps_spare and self._spare is None:
                self._spare = self._spawn()

    def _by(self, worker: socket.socket, order: _Order) -> tuple[Kind, bytes]:
        try:
            found = self._answer(worker, order)
        except BaseException:
            worker.close()
            raise
        with self._lock:
            self._idle.append((time.monotonic(), worker))
        self._replace_spare()
        return found

    @contextmanager
    def _turn(self, patient: bool) -> Iterator[None]:
        if not patient and self._semaphore.waiting >= WAITING:
            raise Unavailable("too many images are being processed; try again soon")
        if not self._semaphore.acquire(PATIENCE if patient else self._seconds):
            raise Unavailable("images take too long to process now; try again soon")
        try:
            yield
        finally:
            self._semaphore.release()

    def _take_idle(self) -> socket.socket | None:
        """The most recently used idle worker; one that may be about to end is dropped."""
        with self._lock:
            while self._idle:
                since, worker = self._idle.pop()
                if time.monotonic() - since < IDLE / 2:
                    return worker
                worker.close()
        return None

    def _answer(self, worker: socket.socket, order: _Order) -> tuple[Kind, bytes]:
        began = time.monotonic()
        try:
            send(worker, Kind.TASK, order.task, order.file)
            if order.file is None:
                send(worker, Kind.DATA, order.opening)
            order.verify()
            while True:
                kind, message = receive(worker)
                if kind != Kind.READ:
                    return kind, message
                serve_read(worker, message, order.source)
        except TimeoutError:
            raise Unavailable("no worker answers; try again soon") from None
        except (EOFError, ConnectionError):
            if time.monotonic() - began > 0.9 * CLOCK * self._seconds:  # it was not given its processor time
                raise Unavailable("images take too long to process now; try again soon") from None
            raise _WorkerKilled from None
        except ValueError:  # its last words
            if time.monotonic() - began > 0.9 * self._seconds:
                text = f"this image takes longer than the allowed {self._seconds:g} s"
                raise NotConvertible(text) from None
            raise _WorkerDied from None


class Inline:
    """The same without processes, for commands and tests with trusted objects."""

    def run(self, task: Task, source: Source, patient: bool = False, verify: Verify | None = None) -> bytes:
        if verify is not None:
            verify()
        return task.run(source)
