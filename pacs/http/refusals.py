"""Refused requests in the audit trail: the first of each caller a minute, the others as a number.

So a flood of refusals is seen, and is no flood of records: at most `MAX_CALLERS` and one a minute
from one process.
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
        """Of each caller heard of in this minute: refusals that no record tells of."""

    def note(self, actor: Actor, status: int) -> AuditRecord | None:
        """What to write now, if anything; it tells how many refusals have gone before unsaid."""
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
        try:
            self._record(record)
        except PacsError as error:
            log.warning("a refusal could not be audited", reason=type(error).__name__)
