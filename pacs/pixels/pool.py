"""A bounded number of workers at a time, and a bounded number of tasks that wait for one.

A task that takes too long or too much, or that crashes a codec, ends its own worker; the next task
gets a new one. Who asks gets an error with the reason, and never waits longer than is allowed: a
frame of many waits for its turn, as an answer that has begun must not break off because others came.
"""

from __future__ import annotations

import pickle
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from pacs import errors
from pacs.dicom.source import Source
from pacs.errors import NotConvertible, Unavailable
from pacs.pixels.channel import OPENING, Kind, receive, send, serve_read
from pacs.pixels.nursery import IDLE
from pacs.pixels.tasks import Task
from pacs.pixels.turns import Turns

WAITING = 128
"""Tasks that wait for a worker; further ones are turned away, unless they are patient."""
PATIENCE = 600.0
"""Seconds that a patient task waits for a worker."""
GRACE = 5.0
"""Seconds on top of a task's own before a worker that says nothing is given up."""

_REFUSALS = {
    error.__name__: error
    for error in (errors.BadInput, errors.InvalidDataSet, errors.LimitExceeded, errors.NotFound)
}
"""What a worker may say besides that something cannot be converted."""


class _WorkerDied(NotConvertible):
    """This image is damaged, or takes more memory than it may."""


class _Order(NamedTuple):
    """What a worker is told at once, and the object of which it may ask for more."""

    task: bytes
    opening: bytes
    source: Source

    @classmethod
    def of(cls, task: Task, source: Source) -> _Order:
        described = pickle.dumps((task, source.size), pickle.HIGHEST_PROTOCOL)
        return cls(described, source.read_at(0, OPENING), source)


class Pool:
    """`hire` starts a worker that gives a task `seconds`."""

    def __init__(self, hire: Callable[[], socket.socket], workers: int, seconds: float) -> None:
        self._hire = hire
        self._seconds = seconds
        self._turns = Turns(workers)
        self._lock = threading.Lock()
        self._idle: list[tuple[float, socket.socket]] = []

    def run(self, task: Task, source: Source, patient: bool = False) -> bytes:
        """What the task makes of `source`, which stays with the caller.

        `NotConvertible` when it takes too much, `Unavailable` when too many are waiting.
        """
        with self._turn(patient):
            kind, answer = self._done(_Order.of(task, source))
        if kind == Kind.RESULT:
            return answer
        name, _, message = answer.decode("utf-8", "replace").partition("\n")
        raise _REFUSALS.get(name, NotConvertible)(message)

    def _done(self, order: _Order) -> tuple[Kind, bytes]:
        """A worker that had waited may have died of something else: then a new one tries."""
        waiting = self._waiting()
        if waiting is not None:
            with suppress(_WorkerDied):
                return self._by(waiting, order)
        return self._by(self._hired(), order)

    def _hired(self) -> socket.socket:
        """A worker that has begun: one that never does says nothing of the image."""
        worker = self._hire()
        worker.settimeout(self._seconds + GRACE)
        try:
            if receive(worker)[0] == Kind.READY:
                return worker
        except (EOFError, OSError, ValueError):
            pass
        worker.close()
        raise Unavailable("no worker is to be had; try again soon")

    def _by(self, worker: socket.socket, order: _Order) -> tuple[Kind, bytes]:
        try:
            found = self._answer(worker, order)
        except BaseException:
            worker.close()
            raise
        with self._lock:
            self._idle.append((time.monotonic(), worker))
        return found

    @contextmanager
    def _turn(self, patient: bool) -> Iterator[None]:
        if not patient and self._turns.waiting >= WAITING:
            raise Unavailable("too many images are being processed; try again soon")
        if not self._turns.take(PATIENCE if patient else self._seconds):
            raise Unavailable("images take too long to process now; try again soon")
        try:
            yield
        finally:
            self._turns.give_back()

    def _waiting(self) -> socket.socket | None:
        """The one that was busy last; one that idled so long that it may be leaving is let go."""
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
            send(worker, Kind.TASK, order.task)
            send(worker, Kind.DATA, order.opening)
            while True:
                kind, message = receive(worker)
                if kind != Kind.READ:
                    return kind, message
                serve_read(worker, message, order.source)
        except TimeoutError:
            raise Unavailable("no worker answers; try again soon") from None
        except (EOFError, ConnectionError, ValueError):
            if time.monotonic() - began > 0.9 * self._seconds:
                text = f"this image takes longer than the {self._seconds:g} s it may"
                raise NotConvertible(text) from None
            raise _WorkerDied from None


class Inline:
    """The same without processes, for commands and tests that work on what they trust."""

    def run(self, task: Task, source: Source, patient: bool = False) -> bytes:
        return task.run(source)
