"""One parent with forked children: restarts those that die, and lets them finish at shutdown.

The parent does nothing else: it opens no database and starts no thread, so that forking is always safe
and imported modules are shared by all. A child that dies is restarted with back-off. On SIGTERM or
SIGINT the children finish their work; a second signal ends them at once. Children whose parent dies end
by themselves.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)

FIRST_PAUSE = 0.1  # seconds before a dead child is restarted, doubled each time
LONGEST_PAUSE = 10.0
STABLE_AFTER = 30.0  # seconds of life after which the back-off begins anew
GRACE = 3.0  # seconds on top of the drain time, until the parent ends a child by force
_STOP = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class Role:
    """One kind of child. `run` returns after its event was set, with its work finished."""

    name: str
    run: Callable[[threading.Event], None]


@dataclass
class _Child:
    role: Role
    pid: int = 0
    started: float = 0.0
    pause: float = 0.0  # before its last restart
    due: float = 0.0  # when to restart it, 0 while it runs

    def back_off(self) -> float:
        """Restart it later; returns in how many seconds."""
        self.pause = min(2 * self.pause or FIRST_PAUSE, LONGEST_PAUSE)
        self.due = time.monotonic() + self.pause
        return self.pause


class Supervisor:
    """`on_drain` runs in the parent when stopping begins, `on_death` with the pid of each dead child."""

    def __init__(
        self,
        roles: Iterable[Role],
        drain_timeout: float,
        on_drain: Callable[[], None] = lambda: None,
        on_death: Callable[[int], None] = lambda pid: None,
    ) -> None:
        self._children = [_Child(role) for role in roles]
        self._drain_timeout = drain_timeout
        self._on_drain = on_drain
        self._on_death = on_death
        self._lifeline_reader, self._lifeline_writer = os.pipe()

    def run(self) -> int:
        """Returns the exit code once every child has ended: 0 when all finished their work."""
        wake, waker = socket.socketpair()
        wake.setblocking(False)
        waker.setblocking(False)
        for number in (*_STOP, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        gc.collect()
        gc.freeze()  # else collections in the children copy the shared pages
        for child in self._children:
            self._start(child)
        self._watch(wake)
        return self._drain(wake)

    def _watch(self, wake: socket.socket) -> None:
        """Restart dead children until a stop is requested."""
        while not self._stop_requested(wake, self._next_due()):
            for child, status in self._reap():
                self._restart_later(child, status)
            now = time.monotonic()
            for child in self._children:
                if child.due and child.due <= now:
                    self._start(child)

    def _drain(self, wake: socket.socket) -> int:
        log.info("stopping", hint="running work is finished first; a second signal ends it at once")
        self._on_drain()
        self._signal_all(signal.SIGTERM)
        clean = True
        deadline = time.monotonic() + self._drain_timeout + GRACE
        while any(child.pid for child in self._children):
            left = deadline - time.monotonic()
            if left <= 0 or self._stop_requested(wake, left):
                late = sorted({child.role.name for child in self._children if child.pid})
                log.warning("ending work by force", roles=late)
                self._signal_all(signal.SIGKILL)
                deadline = time.monotonic() + GRACE
                clean = False
            for child, status in self._reap():
                clean &= status == 0
                child.pid = 0
        log.info("stopped", clean=clean)
        return 0 if clean else 1

    def _stop_requested(self, wake: socket.socket, timeout: float | None) -> bool:
        """Wait for a signal; whether it requests a stop."""
        readable, _, _ = select.select([wake], [], [], timeout)
        received = wake.recv(64) if readable else b""
        return any(number in received for number in _STOP)

    def _next_due(self) -> float | None:
        due = [child.due for child in self._children if child.due]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _reap(self) -> list[tuple[_Child, int]]:
        found = []
        for child in self._children:
            if child.pid:
                pid, status = os.waitpid(child.pid, os.WNOHANG)
                if pid:
                    found.append((child, os.waitstatus_to_exitcode(status)))
        return found

    def _restart_later(self, child: _Child, status: int) -> None:
        if time.monotonic() - child.started > STABLE_AFTER:
            child.pause = 0.0
        pause = child.back_off()
        log.error("process died", role=child.role.name, pid=child.pid, status=status, restart_in=pause)
        self._on_death(child.pid)
        child.pid = 0

    def _signal_all(self, number: signal.Signals) -> None:
        for child in self._children:
            if child.pid:
                with suppress(ProcessLookupError):
                    os.kill(child.pid, number)

    def _start(self, child: _Child) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)  # until the child has its own handlers
        try:
            pid = os.fork()
            if pid == 0:
                self._run_child(child.role)
        except OSError as error:  # no process or no memory is available now
            pause = child.back_off()
            log.error("no process", role=child.role.name, reason=error.strerror, restart_in=pause)
            return
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP)
        child.pid, child.started, child.due = pid, time.monotonic(), 0.0
        log.debug("process started", role=child.role.name, pid=pid)

    def _run_child(self, role: Role) -> None:
        """Runs the child's whole life; never returns."""
        code = 1
        try:
            stop = threading.Event()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C signals all processes; the parent decides
            os.close(self._lifeline_writer)
            threading.Thread(target=_wait_for_sigterm, args=(stop,), daemon=True, name="signals").start()
            threading.Thread(target=self._end_with_parent, daemon=True, name="lifeline").start()
            role.run(stop)
            code = 0
        except Exception:
            log.exception("process failed", role=role.name)
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _end_with_parent(self) -> None:
        os.read(self._lifeline_reader, 1)  # returns when the parent, the only writer, has ended
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(self._drain_timeout + GRACE)
        os._exit(1)


def _wait_for_sigterm(stop: threading.Event) -> None:
    """Waits for SIGTERM, which is blocked in all other threads. A handler would interrupt the main thread
    anywhere, and deadlock on a lock that it holds, such as the event's own.
    """
    signal.sigwait({signal.SIGTERM})
    stop.set()


def run_in_child(work: Callable[[], None]) -> None:
    """Run `work` in a child, so that this process stays without threads. Its failure ends this process."""
    # If whoever started us ignores SIGCHLD, no child could be waited for.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except Exception:
            log.exception("could not start")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        raise SystemExit(code if code > 0 else 1)
