"""Figures of a cache: files, bytes, hits and misses of each organisation, and the totals.

They are kept in a small file that all processes of a node share, and change under its lock.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pacs.model import CacheStatistics

ALL = -1
"""The totals' key, in place of an organisation's number."""
NOTHING = CacheStatistics()
LOCK_TIMEOUT = 1.0
_PAUSE = 0.001
_RECORD = struct.Struct("<qqqq")


class SharedFigures:
    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Count nothing any more: a late thread must not write to another file that has got the number."""
        with self._lock:
            closed, self._fd = self._fd, -1
            os.close(closed)

    @property
    def begun(self) -> bool:
        """Whether anything was ever counted."""
        return os.fstat(self._fd).st_size > 0

    def of(self, organization: int) -> CacheStatistics:
        found = os.pread(self._fd, _RECORD.size, _place(organization))
        return CacheStatistics(*_RECORD.unpack(found)) if len(found) == _RECORD.size else NOTHING

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Exclusive access to the figures and to the files that they count.

        `OSError` after `LOCK_TIMEOUT` seconds, as the process that holds them may be frozen, and when closed.
        """
        deadline = time.monotonic() + LOCK_TIMEOUT
        if not self._lock.acquire(timeout=LOCK_TIMEOUT):
            raise TimeoutError
        try:
            while not self._try_lock():
                if time.monotonic() > deadline:
                    raise TimeoutError
                time.sleep(_PAUSE)
            try:
                yield
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        finally:
            self._lock.release()

    def _try_lock(self) -> bool:
        if self._fd < 0:
            raise OSError(errno.EBADF, "closed")
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def add(self, organization: int, entries: int, size: int) -> None:
        """Call while they are `locked`."""
        for number in (ALL, organization):
            now = self.of(number)
            entries_now, bytes_now = max(now.entries + entries, 0), max(now.bytes + size, 0)
            self._put(number, replace(now, entries=entries_now, bytes=bytes_now))

    def count(self, organization: int, hit: bool) -> None:
        with self.locked():
            now = self.of(organization)
            self._put(organization, replace(now, hits=now.hits + hit, misses=now.misses + (not hit)))

    def begin_anew(self, found: Mapping[int, CacheStatistics]) -> None:
        """Call while they are `locked`. `found`: the result of counting every organisation's files."""
        for organization in range(os.fstat(self._fd).st_size // _RECORD.size - 1):
            self._put(organization, replace(self.of(organization), entries=0, bytes=0))
        for organization, held in found.items():
            now = self.of(organization)
            self._put(organization, replace(now, entries=held.entries, bytes=held.bytes))
        entries, size = (sum(getattr(each, of) for each in found.values()) for of in ("entries", "bytes"))
        self._put(ALL, CacheStatistics(entries, size))

    def _put(self, organization: int, figures: CacheStatistics) -> None:
        record = _RECORD.pack(figures.entries, figures.bytes, figures.hits, figures.misses)
        os.pwrite(self._fd, record, _place(organization))


def _place(organization: int) -> int:
    return (organization - ALL) * _RECORD.size
