"""Health checks. Live: this process answers. Ready: it could store and return an object now.

Each check runs in a thread of its own with a deadline, so that one that hangs (a database behind a
dead network) neither delays the answer nor piles up threads: the next request waits for the same run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import pacs
from pacs.http.described import OBJECT, Described, answers_json, describe
from pacs.http.resource import Public

log = structlog.get_logger(__name__)

DEADLINE = 1.5  # seconds for all checks together; an orchestrator's own is often 2 or more
THREADS = 4
"""Threads of their own, so that health is answered while all other threads are busy."""

LIVE = ("/health/live", "/api/v1/health/liveness")
READY = ("/health/ready", "/health", "/api/v1/health/readiness")
PATHS = frozenset((*LIVE, *READY))

Check = Callable[[], object]
"""A check raises when something is wrong; the finding names the error's class."""


@dataclass(frozen=True, slots=True)
class Finding:
    status: str
    """`ok`, `failed` or `timeout`."""
    reason: str = ""


class _Run:
    """One run of one check."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._done = threading.Event()
        self._finding = Finding("timeout", "no answer in time")
        try:
            threading.Thread(target=self._go, daemon=True, name="health-check").start()
        except RuntimeError:
            self._finding = Finding("failed", "no thread")
            self._done.set()

    def _go(self) -> None:
        try:
            self._check()
            self._finding = Finding("ok")
        except Exception as error:
            self._finding = Finding("failed", type(error).__name__)
        finally:
            self._done.set()

    @property
    def over(self) -> bool:
        return self._done.is_set()

    def finding(self, timeout: float) -> Finding:
        self._done.wait(timeout)
        return self._finding


class Readiness:
    def __init__(self, checks: Mapping[str, Check], deadline: float = DEADLINE) -> None:
        self._checks = dict(checks)
        self._deadline = deadline
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}

    def examine(self) -> dict[str, Finding]:
        with self._lock:
            for name, check in self._checks.items():
                if name not in self._runs or self._runs[name].over:
                    self._runs[name] = _Run(check)
            runs = dict(self._runs)
        end = time.monotonic() + self._deadline
        return {name: run.finding(max(0.0, end - time.monotonic())) for name, run in runs.items()}


def routes(readiness: Readiness) -> list[Public]:
    threads = CapacityLimiter(THREADS)

    @describe(Described(answers=answers_json(OBJECT)))
    async def live(request: Request) -> Response:
        """This process answers."""
        return JSONResponse({"status": "healthy"})

    @describe(Described(answers=answers_json(OBJECT)))
    async def ready(request: Request) -> Response:
        """The archive could store and return an object now."""
        findings = await to_thread.run_sync(readiness.examine, limiter=threads)
        healthy = all(finding.status == "ok" for finding in findings.values())
        if not healthy:
            log.warning("not ready", **{name: f.reason for name, f in findings.items() if f.status != "ok"})
        body = {
            "status": "healthy" if healthy else "unhealthy",
            "version": pacs.__version__,
            "checks": {
                name: {"status": f.status} | ({"reason": f.reason} if f.reason else {})
                for name, f in findings.items()
            },
        }
        return JSONResponse(body, 200 if healthy else 503)

    return [Public(path, live) for path in LIVE] + [Public(path, ready) for path in READY]
