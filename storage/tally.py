"""How many files a cache holds and how many bytes they take: of each organisation, and of all together.

The figures stand in a small file that all processes of a node share, and change under its lock.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pacs.ports import CacheFigures

ALL = -1
"""In place of an organisation's number."""
NOTHING = CacheFigures(0, 0)
_RECORD = struct.Struct("<qq")


class Tally:
    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._lock = threading.Lock()

    def close(self) -> None:
        os.close(self._fd)

    @property
    def begun(self) -> bool:
        """Whether anything was ever counted."""
        return os.fstat(self._fd).st_size > 0

    def of(self, organization: int) -> CacheFigures:
        found = os.pread(self._fd, _RECORD.size, _place(organization))
        return CacheFigures(*_RECORD.unpack(found)) if len(found) == _RECORD.size else NOTHING

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else changes figures, or the files that they count, meanwhile."""
        with self._lock:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    def add(self, organization: int, entries: int, size: int) -> None:
        """While it is held."""
        for number in (ALL, organization):
            now = self.of(number)
            self._put(number, CacheFigures(max(now.entries + entries, 0), max(now.bytes + size, 0)))

    def begin_anew(self, found: Mapping[int, CacheFigures]) -> None:
        """While it is held. `found`: what counting every organisation's files came to."""
        os.ftruncate(self._fd, 0)
        for organization, figures in found.items():
            self._put(organization, figures)
        entries, size = (sum(getattr(each, of) for each in found.values()) for of in ("entries", "bytes"))
        self._put(ALL, CacheFigures(entries, size))

    def _put(self, organization: int, figures: CacheFigures) -> None:
        os.pwrite(self._fd, _RECORD.pack(figures.entries, figures.bytes), _place(organization))


def _place(organization: int) -> int:
    return (organization - ALL) * _RECORD.size
