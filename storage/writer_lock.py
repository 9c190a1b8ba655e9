"""The lock of SQLite's writers: they queue at a lock file, where the kernel wakes the next one.

The process that holds the file may freeze (stopped, swapped out, in a debugger); the wait is bounded all
the same, and the log names the holder. As the kernel's wait cannot be interrupted, another thread does it.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue

import structlog

from pacs.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)

_FILE_MODE = 0o640
_HELD = Path("/proc/locks")


class WriterLock:
    """The lock of one file, for all threads and processes. Create it after forking."""

    def __init__(self, path: str) -> None:
        self._threads = threading.Lock()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
        self._waiter: threading.Thread | None = None
        self._requests, self._grants = SimpleQueue[bool](), SimpleQueue[bool]()
        self._waiting = False
        """A thread waits in the kernel, on behalf of whichever thread of this process then wants the file."""
        self._state = threading.Lock()
        self._wanted = False

    def acquire(self, patience: float) -> None:
        """`DatabaseUnavailable` after `patience` seconds."""
        deadline = time.monotonic() + patience
        if not self._threads.acquire(timeout=patience):
            raise DatabaseUnavailable("other writers have held the database for too long")
        try:
            taken = self._acquire_file(deadline)
        except BaseException:
            self._threads.release()
            raise
        if not taken:
            self._threads.release()
            holders = held_by(self._fd)
            log.warning("another process holds the database's lock file and does not go on", pids=holders)
            who = f"process {holders[0]}" if holders else "another process"
            raise DatabaseUnavailable(f"{who} has held the database for too long")

    def release(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def close(self) -> None:
        """A waiter that still waits for the file closes it later, as its number must not be reused before."""
        if self._waiter is None:
            self._close()
        else:
            self._requests.put(False)

    def _close(self) -> None:
        closed, self._fd = self._fd, -1
        os.close(closed)

    def _acquire_file(self, deadline: float) -> bool:
        with self._state:
            if not self._waiting:
                try:
                    fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return True
                except BlockingIOError:
                    self._request()
                except OSError as error:
                    raise DatabaseUnavailable("its lock file cannot be locked") from error
            self._wanted = True
        try:
            return self._grants.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            with self._state:
                self._wanted = False
                return not self._grants.empty() and self._grants.get()

    def _request(self) -> None:
        if self._waiter is None:
            waiter = threading.Thread(target=self._wait, name="writer-lock", daemon=True)
            try:
                waiter.start()
            except RuntimeError:  # no thread can be had now
                raise DatabaseUnavailable("others are writing, and no thread can wait for them") from None
            self._waiter = waiter
        self._waiting = True
        self._requests.put(True)

    def _wait(self) -> None:
        while self._requests.get():
            taken = self._wait_for_file()
            with self._state:
                self._waiting = False
                if self._wanted:
                    self._wanted = False
                    self._grants.put(taken)
                elif taken:
                    fcntl.flock(self._fd, fcntl.LOCK_UN)
        self._close()

    def _wait_for_file(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            return True
        except OSError as error:
            log.warning("the database's lock file cannot be locked", reason=error.strerror)
            return False


def held_by(descriptor: int) -> list[int]:
    """Processes that hold this file by `flock`, where the system reports them."""
    this = f":{os.fstat(descriptor).st_ino}"
    try:
        lines = _HELD.read_text("ascii").splitlines()
    except OSError:
        return []
    locks = (line.split() for line in lines)
    held = [
        int(pid) for _, kind, _, _, pid, file, *_ in locks if (kind, file[-len(this) :]) == ("FLOCK", this)
    ]
    return [pid for pid in held if pid > 0]  # 0: in another container
