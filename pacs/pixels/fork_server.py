"""Worker processes for pixels, forked from one that has everything imported and does nothing else.

A client creates a socket pair and sends one end here; the worker serves that end until the other is closed
or it has been idle for a while. The kernel enforces the limits: a task that takes too much time or memory
ends its process, whichever codec it is in. A worker that ends by its own fault says some last words; one that
ends without a word was killed by somebody else.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import resource
import signal
import socket
import traceback
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from pacs.dicom.source import BytesSource, FileSource, ReadAhead, Source
from pacs.errors import Damaged, NotConvertible, PacsError
from pacs.pixels.channel import Kind, RemoteSource, receive, receive_task, send
from pacs.pixels.tasks import Task

log = structlog.get_logger(__name__)

IDLE = 60.0
"""Seconds after which an idle worker ends once it has done a task. Its client must not use it after that."""

CLOCK = 2.0
"""Seconds by the clock that a task may take for each second of processor time: on a busy machine, or with a
slow store, it waits through no fault of its image."""


@dataclass(frozen=True, slots=True)
class TaskLimits:
    """What one task may take: seconds of processor time, and bytes of memory on top of what is shared."""

    seconds: float = 20.0
    memory: int = 1 << 30


class ForkServer:
    """Created before forking: processes that need workers inherit `_requests`; `_inbox` is its own end."""

    def __init__(self, limits: TaskLimits) -> None:
        self.limits = limits
        self._inbox, self._requests = socket.socketpair()
        self._requests.setblocking(False)

    def spawn(self) -> socket.socket:
        """A socket to a new worker, which starts as soon as the fork server gets to it.

        `OSError` when too many are waiting already (the fork server may have stopped) or descriptors run out.
        """
        ours, theirs = socket.socketpair()
        with ExitStack() as undo, theirs:
            undo.enter_context(ours)
            socket.send_fds(self._requests, [b"+"], [theirs.fileno()])
            undo.pop_all()
        return ours

    def close(self) -> None:
        """This process needs no more workers."""
        self._requests.close()

    def run(self) -> None:
        """Serve until all client processes have closed or ended. Call it where no other thread runs."""
        self.close()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # workers are reaped by the kernel
        while True:
            _, descriptors, _, _ = socket.recv_fds(self._inbox, 1, 1)
            if not descriptors:
                return
            with socket.socket(fileno=descriptors[0]) as peer:
                if self._forked():
                    self._become(peer)

    def _forked(self) -> bool:
        """Whether this is the new process. If forking fails, the peer finds its socket closed."""
        try:
            return os.fork() == 0
        except OSError as error:
            log.error("worker process cannot be started", reason=error.strerror)
            return False

    def _become(self, peer: socket.socket) -> None:
        """Runs a worker's whole life; never returns."""
        with suppress(BaseException):
            self._inbox.close()
            for number in (signal.SIGTERM, signal.SIGALRM, signal.SIGPROF, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            _limit_memory(self.limits.memory)
            _say_last_words(peer)
            work(peer, self.limits.seconds)
        os._exit(0)


def _limit_memory(memory: int) -> None:
    with suppress(OSError, ValueError):  # not every system supports this limit
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        most = pages * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _say_last_words(peer: socket.socket) -> None:
    """A crash or the end of the processor time writes a line to the client, for whom it is no message."""
    faulthandler.enable(peer.fileno(), all_threads=False)
    faulthandler.register(signal.SIGPROF, peer.fileno(), all_threads=False, chain=True)


def _limit_time(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds * CLOCK)


def work(peer: socket.socket, seconds: float) -> None:
    """Do what the peer asks, one task after the other, until it is gone."""
    send(peer, Kind.READY)
    idle = None
    while True:
        peer.settimeout(idle)
        try:
            message, file = receive_task(peer)
            peer.settimeout(None)
            opening = receive(peer)[1] if file is None else b""
        except (EOFError, OSError):
            return
        _limit_time(seconds)
        task, size = pickle.loads(message)
        source = _source(peer, size, opening) if file is None else _StoredFile(file)
        kind, answer = _done(task, source)
        send(peer, kind, answer)
        _limit_time(0)
        if file is not None:
            os.close(file)
        idle = IDLE


def _done(task: Task, source: Source) -> tuple[Kind, bytes]:
    try:
        return Kind.RESULT, task.run(source)
    except PacsError as error:
        return Kind.REFUSED, _refusal(error)
    except MemoryError:
        return Kind.REFUSED, _refusal(NotConvertible("this image takes more memory than is allowed"))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        log.warning("an image could not be processed", error=type(error).__name__, at=where.name)
        return Kind.REFUSED, _refusal(NotConvertible("this image cannot be processed"))


class _StoredFile(FileSource):
    def read_at(self, offset: int, length: int) -> bytes:
        try:
            return super().read_at(offset, length)
        except OSError as error:  # an unreadable sector
            raise Damaged(f"the object cannot be read: {error.strerror}") from error


def _source(peer: socket.socket, size: int, opening: bytes) -> Source:
    return BytesSource(opening) if len(opening) == size else ReadAhead(RemoteSource(peer, size, opening))


def _refusal(error: PacsError) -> bytes:
    return f"{type(error).__name__}\n{error}".encode("utf-8", "replace")
