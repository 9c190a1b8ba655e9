"""Refused requests in audit trail and security log: each caller's first per minute, the others as a count.

A flood of refusals is visible but does not flood the trail: one process writes at most
`MAX_CALLERS` + 1 records a minute.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from pacs.actor import Actor
from pacs.errors import PacsError
from pacs.model import AuditRecord

log = structlog.get_logger(__name__)
security = structlog.get_logger("security")

WINDOW = 60.0  # seconds
MAX_CALLERS = 50
_OTHERS = ("", "", 0)

_Key = tuple[str, str, int]


class Refusals:
    def __init__(
        self,
        record: Callable[[AuditRecord], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._record = record
        self._clock = clock
        self._lock = threading.Lock()
        self._ends = 0.0
        self._unsaid: dict[_Key, int] = {}
        """Refusals not yet recorded, by caller of the current minute."""

    def note(self, actor: Actor, status: int) -> AuditRecord | None:
        """The record to write now, if any; it counts the refusals since the previous record."""
        with self._lock:
            now = self._clock()
            if now >= self._ends:
                unsaid, self._unsaid = sum(self._unsaid.values()), {}
                self._ends = now + WINDOW
            else:
                unsaid = 0
            key = (actor.name, actor.address, status)
            if key not in self._unsaid and len(self._unsaid) >= MAX_CALLERS:
                key, actor = _OTHERS, replace(actor, name="", address="")
            if key in self._unsaid:
                self._unsaid[key] += 1
                return None
            self._unsaid[key] = 0
        details = {"status": status} | ({"unsaid_before": unsaid} if unsaid else {})
        return AuditRecord(actor, "access", "denied", "", details)

    def write(self, record: AuditRecord) -> None:
        actor = record.actor
        security.warning("request refused", user=actor.name, address=actor.address, **record.details)
        try:
            self._record(record)
        except PacsError as error:
            log.warning("a refusal could not be audited", reason=type(error).__name__)
