"""Health checks. Live: this process answers. Ready: it could store and return an object now. Detailed, for
administrators: how each part is.

Each check runs in a thread of its own with a deadline, so that one that hangs (a database behind a
dead network) neither delays the answer nor piles up threads: the next request waits for the same run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import pacs
from pacs.http.operation import OBJECT, Operation, answers_json, describe
from pacs.http.resource import Public, Resource
from pacs.http.rest.parameters import parameters
from pacs.http.threads import ThreadPool
from pacs.rights import Right

log = structlog.get_logger(__name__)

DEADLINE = 1.5  # seconds for all checks together; an orchestrator's own is often 2 or more
THREADS = 4
"""Threads of their own, so that health is answered while all other threads are busy."""

LIVE = ("/health/live", "/api/v1/health/liveness")
READY = ("/health/ready", "/health", "/api/v1/health", "/api/v1/health/readiness")
PATHS = frozenset((*LIVE, *READY))
DETAILED = "/api/v1/health/detailed"

Details = Mapping[str, Any]
Check = Callable[[], Details | None]
"""A check raises when something is wrong; the finding names the error's class. It may return details for
administrators."""


@dataclass(frozen=True, slots=True)
class Finding:
    status: str
    """`ok`, `failed` or `timeout`."""
    reason: str = ""
    details: Details | None = None
    latency_ms: float | None = None

    @property
    def brief(self) -> dict[str, str]:
        return {"status": self.status} | ({"reason": self.reason} if self.reason else {})

    @property
    def full(self) -> dict[str, Any]:
        return {**self.brief, "details": dict(self.details or {}), "latency_ms": self.latency_ms}


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
        began = time.monotonic()
        status, reason, details = "ok", "", None
        try:
            details = self._check()
        except Exception as error:
            status, reason = "failed", type(error).__name__
        finally:
            self._finding = Finding(status, reason, details, round((time.monotonic() - began) * 1000, 1))
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
    pool = ThreadPool("health", THREADS)

    @describe(Operation(answers=answers_json(OBJECT)))
    async def live(request: Request) -> Response:
        """This process answers."""
        return JSONResponse({"status": "healthy"})

    @describe(Operation(answers=answers_json(OBJECT)))
    async def ready(request: Request) -> Response:
        """The archive could store and return an object now."""
        findings = await pool.run(readiness.examine)
        wrong = _wrong(findings)
        if wrong:
            log.warning("not ready", **wrong)
        checks = {name: finding.brief for name, finding in findings.items()}
        return _answer("unhealthy" if wrong else "healthy", checks)

    return [Public(path, live) for path in LIVE] + [Public(path, ready) for path in READY]


def detailed(vital: Mapping[str, Check], others: Mapping[str, Check], deadline: float = DEADLINE) -> Resource:
    """Without one of `vital` the archive is unhealthy, without one of `others` degraded."""
    pool, readiness = ThreadPool("health", THREADS), Readiness({**vital, **others}, deadline)

    @describe(Operation(answers=answers_json(OBJECT)))
    async def show_health(request: Request) -> Response:
        """How each part of this node is: `healthy`, `degraded` or, with 503, `unhealthy`."""
        parameters(request, ())
        findings = await pool.run(readiness.examine)
        wrong = _wrong(findings)
        status = "unhealthy" if wrong.keys() & vital.keys() else "degraded" if wrong else "healthy"
        return _answer(status, {name: finding.full for name, finding in findings.items()})

    return Resource(DETAILED, show_health, Right.ADMINISTER)


def _wrong(findings: Mapping[str, Finding]) -> dict[str, str]:
    return {name: finding.reason for name, finding in findings.items() if finding.status != "ok"}


def _answer(status: str, checks: Mapping[str, Any]) -> Response:
    body = {"status": status, "version": pacs.__version__, "checks": checks}
    return JSONResponse(body, 503 if status == "unhealthy" else 200)
