"""Viewing a study is audited once a minute for each caller, not for each of its thousand frames.

As PS3.15 §A.5.3.6 (DICOM Instances Accessed) intends, the frames that follow the first one within the minute
belong to the same access. A caller that sends a correlation ID with each request gets a record for each.
`HEAD` returns no data, so it is not an access.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from pacs.actor import Actor
from pacs.archive import Archive
from pacs.http.correlation import HEADER
from pacs.http.resource import actor

WINDOW = 60.0  # seconds
MAX_REMEMBERED = 10_000
"""Accesses remembered within one minute; any further one is recorded each time."""

_Key = tuple[int, str, str, str, str]


class Viewings:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ends = 0.0
        self._seen: set[_Key] = set()

    def note(self, request: Request, study: str, record: Callable[[], None]) -> None:
        """Calls `record` unless this access has been recorded."""
        if _gives_nothing(request):
            return
        who = actor(request)
        key = who.organization, who.name, who.address, request.headers.get(HEADER, ""), study
        if self._known(key):
            return
        record()
        with self._lock:
            if len(self._seen) < MAX_REMEMBERED:
                self._seen.add(key)

    def _known(self, key: _Key) -> bool:
        with self._lock:
            now = self._clock()
            if now >= self._ends:
                self._seen.clear()
                self._ends = now + WINDOW
            return key in self._seen


def retrieved(
    request: Request, archive: Archive, study: str, who: Actor | None = None, **details: Any
) -> None:
    """Audits that data of this study is sent to the caller, or to `who` on whose behalf they call."""
    if not _gives_nothing(request):
        archive.record(who or actor(request), "retrieve", resource=study, **details)


def _gives_nothing(request: Request) -> bool:
    return request.method == "HEAD"
