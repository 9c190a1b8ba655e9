"""Files that can be made again at any time: a folder with a limit, shared by all processes of a node.

A file carries a checksum and is written under another name first, so that one which a crash or a
bad disk left behind is no answer but a miss. Nothing is flushed. How much there is stands in a small
file that all processes map; making room for what comes, the least lately used first, counts anew.
"""

from __future__ import annotations

import fcntl
import heapq
import mmap
import os
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from pacs.ports import CacheFigures

_HEAD = struct.Struct("<4sI")
_MAGIC = b"pcF1"
_TOTAL = struct.Struct("<q")
_ROOM = 0.1
"""Share of the limit that is made free when it is reached, so that looking through all is rare."""
_TOUCH_AFTER = 60.0
"""Seconds after which a file that is used again is marked as used."""


class _Entry(NamedTuple):
    used: float
    size: int
    path: str


class DiskCache:
    """`limit`: bytes of all files together; it holds at every moment."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._lock = threading.Lock()
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._fd = os.open(folder / "total", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        os.ftruncate(self._fd, _TOTAL.size)
        self._total = mmap.mmap(self._fd, _TOTAL.size)

    def close(self) -> None:
        self._total.close()
        os.close(self._fd)

    def get(self, organization: int, address: str, key: str, seconds: float) -> bytes | None:
        path = self._path(organization, address, key)
        try:
            with path.open("rb") as file:
                found = os.fstat(file.fileno())
                data = file.read()
        except OSError:
            return None
        now = time.time()
        if now - found.st_mtime > seconds or not _whole(data):
            self._remove(_Entry(0, found.st_size, str(path)))
            return None
        if now - found.st_atime > _TOUCH_AFTER:
            with suppress(OSError):
                os.utime(path, (now, found.st_mtime))
        return data[_HEAD.size :]

    def put(self, organization: int, address: str, key: str, data: bytes) -> None:
        size = _HEAD.size + len(data)
        if size > self._limit // 2 or not self._claim(size):
            return
        path = self._path(organization, address, key)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
        try:
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            with suppress(OSError):
                size -= path.stat().st_size  # of the one that is replaced
            with unfinished.open("wb") as file:
                file.write(_HEAD.pack(_MAGIC, zlib.crc32(data)))
                file.write(data)
            unfinished.replace(path)
            self._add(size - _HEAD.size - len(data))
        except OSError:
            self._add(-size)
            unfinished.unlink(missing_ok=True)

    def forget(self, organization: int, address: str) -> None:
        """All that was made of that object."""
        folder = self._path(organization, address, "").parent
        for entry in _entries(folder):
            if Path(entry.path).name.startswith(_digest(address)):
                self._remove(entry)

    def figures(self, organization: int) -> CacheFigures:
        count = size = 0
        for folder in _folders(self._folder / str(organization)):
            for entry in _entries(folder):
                count += 1
                size += entry.size
        return CacheFigures(count, size)

    def _path(self, organization: int, address: str, key: str) -> Path:
        name = _digest(address)
        return self._folder / str(organization) / name[:2] / (name + _digest(key))

    def _claim(self, size: int) -> bool:
        """Whether there is room for so much, which is the caller's then."""
        with self._counted() as total:
            if total + size <= self._limit:
                self._set(total + size)
                return True
            total = self._make_room(int(self._limit * (1 - _ROOM)) - size)
            self._set(total + size)
            return total + size <= self._limit

    def _make_room(self, most: int) -> int:
        """Remove what was not used for the longest time until there are `most` bytes; how many there are."""
        folders = chain.from_iterable(map(_folders, _folders(self._folder)))
        entries = list(chain.from_iterable(map(_entries, folders)))
        total = sum(entry.size for entry in entries)
        heapq.heapify(entries)
        while entries and total > most:
            entry = heapq.heappop(entries)
            with suppress(OSError):
                os.unlink(entry.path)
            total -= entry.size
        return total

    def _remove(self, entry: _Entry) -> None:
        with suppress(OSError):
            os.unlink(entry.path)
            self._add(-entry.size)

    def _add(self, size: int) -> None:
        with self._counted() as total:
            self._set(max(total + size, 0))

    def _set(self, total: int) -> None:
        _TOTAL.pack_into(self._total, 0, total)

    @contextmanager
    def _counted(self) -> Iterator[int]:
        """The total, which no one else changes meanwhile."""
        with self._lock:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            try:
                yield int(_TOTAL.unpack_from(self._total)[0])
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _whole(data: bytes) -> bool:
    if len(data) < _HEAD.size:
        return False
    magic, checksum = _HEAD.unpack_from(data)
    return bool(magic == _MAGIC and zlib.crc32(memoryview(data)[_HEAD.size :]) == checksum)


def _folders(folder: str | Path) -> list[str]:
    try:
        with os.scandir(folder) as found:
            return [each.path for each in found if each.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _entries(folder: str | Path) -> list[_Entry]:
    entries = list[_Entry]()
    with suppress(OSError), os.scandir(folder) as found:
        for each in found:
            with suppress(OSError):
                status = each.stat(follow_symlinks=False)
                entries.append(_Entry(max(status.st_atime, status.st_mtime), status.st_size, each.path))
    return entries
