"""Whoever holds SQLite's lock file and freezes is waited for so long, and named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pacs.errors import DatabaseUnavailable
from storage.writer_lock import WriterLock

HOLD = """
import fcntl, os, signal, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
fcntl.flock(fd, fcntl.LOCK_UN)
print("given back", flush=True)
sys.stdin.read()
"""
LONG = 60.0


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "pacs.db.lock")


@contextmanager
def frozen(path: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the file, and is stopped."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", HOLD, path], text=True, stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def goes_on(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGCONT)
    assert process.stdout is not None
    assert process.stdout.readline() == "given back\n"


def acquire(lock: WriterLock, patience: float = LONG) -> None:
    lock.acquire(patience)
    lock.release()


def test_a_frozen_writer_is_not_waited_for_and_is_named(path: str, said: Callable[[], str]) -> None:
    with frozen(path) as process, closing(WriterLock(path)) as lock:
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable):
                acquire(lock, 0.05)
        if sys.platform == "linux":
            assert str(process.pid) in said()
        goes_on(process)
        acquire(lock)
        acquire(lock)


def test_a_waiter_that_gave_up_holds_up_nobody(path: str) -> None:
    """The kernel may give the file to a process in which nobody wants it any more."""
    with frozen(path) as process, closing(WriterLock(path)) as tired, closing(WriterLock(path)) as patient:
        with pytest.raises(DatabaseUnavailable):
            acquire(tired, 0.05)
        waiting = threading.Thread(target=acquire, args=(patient,))
        waiting.start()
        goes_on(process)
        waiting.join(LONG)
        assert not waiting.is_alive()
        for lock in (tired, patient, tired):
            acquire(lock)


def test_one_that_was_killed_holds_nothing(path: str) -> None:
    with frozen(path) as process, closing(WriterLock(path)) as lock:
        process.kill()
        acquire(lock)


def test_one_writes_at_a_time(path: str) -> None:
    inside, most, counting = 0, 0, threading.Lock()
    with closing(WriterLock(path)) as one, closing(WriterLock(path)) as two:

        def work(lock: WriterLock) -> None:
            nonlocal inside, most
            for _ in range(100):
                lock.acquire(LONG)
                with counting:
                    inside += 1
                    most = max(most, inside)
                with counting:
                    inside -= 1
                lock.release()

        threads = [threading.Thread(target=work, args=(lock,)) for lock in (one, two) * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        assert (inside, most) == (0, 1)


def test_no_thread_to_wait_in_is_a_fault_that_passes(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that could not be started was taken for one that waits: nobody got a turn any more."""

    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with frozen(path) as process, closing(WriterLock(path)) as lock:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refused)
            with pytest.raises(DatabaseUnavailable):
                acquire(lock)
        goes_on(process)
        acquire(lock)
        with closing(WriterLock(path)) as other:
            other.acquire(LONG)
            with pytest.raises(DatabaseUnavailable):
                acquire(lock, 0.05)
            other.release()
            acquire(lock)


def test_the_file_is_closed_by_the_thread_that_waits_for_it(path: str) -> None:
    """Else its number may be another file's by then, which would be unlocked in its place."""
    with frozen(path) as process:
        lock = WriterLock(path)
        with pytest.raises(DatabaseUnavailable):
            acquire(lock, 0.05)
        number = lock._fd
        lock.close()
        assert os.fstat(number).st_ino == os.stat(path).st_ino
        goes_on(process)
        assert lock._waiter is not None
        lock._waiter.join(LONG)
        assert lock._fd == -1
