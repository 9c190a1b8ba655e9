"""What `pacs import` has stored, so that an interrupted import continues where it was.

Each line is a digest, which reveals nothing about a patient. From time to time a line with the newest audit
record of the index vouches for the lines before it: an index that does not know that record is another one,
or an older copy that was restored, and does not have these objects.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pacs.actor import DEFAULT_ORGANIZATION
from pacs.errors import Unavailable
from storage.database import Database
from storage.upkeep import mark

VOUCHED = 500
"""Lines after which the index vouches for them; if the process is killed before, they do not count."""
_INDEX = "index "


@dataclass(frozen=True)
class IndexState:
    """`newest`: the newest audit record of the index; `knows`: whether the index has had this one."""

    newest: Callable[[], str]
    knows: Callable[[str], bool]


def index_of(database: Database, organization: int) -> IndexState:
    return IndexState(
        partial(mark.newest, database, organization), partial(mark.knows, database, organization)
    )


class Journal:
    """The journal of one organisation. Threads may share it."""

    def __init__(self, folder: Path, organization: int, index: IndexState) -> None:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        path = folder / ("imported" if organization == DEFAULT_ORGANIZATION else f"imported-{organization}")
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        self._index = index
        self._known = _vouched_for(path.read_text("ascii").splitlines(), index)
        self._lock = threading.Lock()
        self._added = 0

    def knows(self, key: str) -> bool:
        return _digest(key) in self._known

    def add(self, key: str) -> None:
        """Call it when the object is stored."""
        with self._lock:
            self._write(_digest(key))
            self._added += 1
            if self._added >= VOUCHED:
                self._vouch()

    def close(self) -> None:
        with self._lock, suppress(Unavailable):
            self._vouch()
        os.close(self._descriptor)

    def _vouch(self) -> None:
        if self._added:
            self._write(_INDEX + self._index.newest())
            self._added = 0

    def _write(self, line: str) -> None:
        os.write(self._descriptor, f"{line}\n".encode())


def _digest(key: str) -> str:
    return hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _vouched_for(lines: Iterable[str], index: IndexState) -> set[str]:
    known: set[str] = set()
    since: list[str] = []
    for line in lines:
        if not line.startswith(_INDEX):
            since.append(line)
            continue
        if index.knows(line.removeprefix(_INDEX)):
            known.update(since)
        since = []
    return known
