"""A cache of files that can be made again: a folder with a size limit, shared by the processes of a node.

A file carries a checksum and is written under a temporary name first, so that a file damaged by a crash
or a bad disk is a miss. Nothing is synced. The total is kept in `storage.shared_figures`; evicting the least
recently used files recounts it.

A file's name begins with the address of the object that it was made from, so that
`storage.upkeep.tidying` can remove those whose object was deleted.
"""

from __future__ import annotations

import errno
import heapq
import os
import struct
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from pacs.model import CacheStatistics
from storage.shared_figures import ALL, SharedFigures

SHARDS = 256
"""Folders over which an organisation's files are spread, to keep each of them short."""
_HEAD = struct.Struct("<4sI")
_MAGIC = b"pcF1"
_ROOM = 0.1
"""Share of the limit that is freed when it is reached, so that a full listing is rare."""
_TOUCH_AFTER = 60.0
"""Seconds after which using a file again updates its time of use."""


class CachedFile(NamedTuple):
    """`made` and `used`: seconds since 1970. `address`: of the object that it was made from."""

    path: str
    address: str
    size: int
    made: float
    used: float


class DiskCache:
    """`limit`: bytes of all files together, never exceeded."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self._limit = limit
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._figures = SharedFigures(folder / "figures")
        if not self._figures.begun:
            with suppress(OSError), self._figures.locked():
                self._count_anew()

    def close(self) -> None:
        self._figures.close()

    def get(self, organization: int, address: str, key: str, seconds: float) -> bytes | None:
        path = self._path(organization, address, key)
        try:
            with open(path, "rb", buffering=0) as file:
                found = os.fstat(file.fileno())
                data = file.read()
        except OSError:
            return None
        now = time.time()
        if now - found.st_mtime > seconds or not _whole(data):
            self.remove(organization, path)
            return None
        if now - found.st_atime > _TOUCH_AFTER:
            with suppress(OSError):
                os.utime(path, (now, found.st_mtime))
        return data[_HEAD.size :]

    def put(self, organization: int, address: str, key: str, data: bytes) -> None:
        """Does nothing when the disk is full or fails."""
        size = _HEAD.size + len(data)
        if size > self._limit // 2:
            return
        with suppress(OSError):
            if self._claim(organization, size):
                try:
                    self._write(organization, self._path(organization, address, key), data)
                except OSError:
                    with self._figures.locked():
                        self._figures.add(organization, -1, -size)

    def _write(self, organization: int, path: str, data: bytes) -> None:
        unfinished = f"{path}.{os.getpid()}-{threading.get_ident()}"
        try:
            _write_new(unfinished, _HEAD.pack(_MAGIC, zlib.crc32(data)), data)
            with self._figures.locked():
                replaced = _size(path)
                os.replace(unfinished, path)
                if replaced is not None:
                    self._figures.add(organization, -1, -replaced)
        except OSError:
            with suppress(FileNotFoundError):
                os.unlink(unfinished)
            raise

    def forget(self, organization: int, address: str) -> None:
        """Remove all files made from this object."""
        for each in _files(self._shard(organization, address)):
            if each.address == address:
                self.remove(organization, each.path)

    def remove(self, organization: int, path: str) -> None:
        """Remove one file; ignored if it is gone."""
        with suppress(OSError), self._figures.locked():
            size = os.stat(path).st_size
            os.unlink(path)
            self._figures.add(organization, -1, -size)

    def count(self, organization: int, hit: bool) -> None:
        with suppress(OSError):
            self._figures.count(organization, hit)

    def statistics(self, organization: int) -> CacheStatistics:
        return self._figures.of(organization)

    def shard(self, number: int) -> Iterator[tuple[int, list[CachedFile]]]:
        """One of `SHARDS` parts of every organisation's files."""
        for organization in self._organizations():
            yield organization, _files(self.folder / str(organization) / f"{number:02x}")

    def _organizations(self) -> list[int]:
        try:
            with os.scandir(self.folder) as found:
                return [int(each.name) for each in found if each.name.isdecimal()]
        except OSError:
            return []

    def _shard(self, organization: int, address: str) -> str:
        return f"{self.folder}/{organization}/{_digest(address)[:2]}"

    def _path(self, organization: int, address: str, key: str) -> str:
        return f"{self._shard(organization, address)}/{_quoted(address)},{_digest(key)}"

    def _claim(self, organization: int, size: int) -> bool:
        """Reserves `size` bytes, making room if needed; whether that succeeded."""
        with self._figures.locked():
            room = self._limit - self._figures.of(ALL).bytes
            if room < size:
                self._make_room(int(self._limit * (1 - _ROOM)) - size)
                room = self._limit - self._figures.of(ALL).bytes
            if room < size:
                return False
            self._figures.add(organization, 1, size)
            return True

    def _make_room(self, most: int) -> None:
        """Remove the least recently used files until at most `most` bytes are left."""
        found = self._count_anew()
        entries = [(each.used, organization, each) for organization, files in found.items() for each in files]
        heapq.heapify(entries)
        while entries and self._figures.of(ALL).bytes > most:
            _, organization, each = heapq.heappop(entries)
            with suppress(OSError):
                os.unlink(each.path)
            self._figures.add(organization, -1, -each.size)

    def _count_anew(self) -> dict[int, list[CachedFile]]:
        """Call while they are `locked`."""
        found = defaultdict[int, list[CachedFile]](list)
        for number in range(SHARDS):
            for organization, files in self.shard(number):
                found[organization] += files
        self._figures.begin_anew(
            {
                organization: CacheStatistics(len(files), sum(each.size for each in files))
                for organization, files in found.items()
            }
        )
        return found


def _write_new(path: str, *parts: bytes) -> None:
    try:
        file = os.open(path, _NEW, 0o640)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), 0o750, exist_ok=True)
        file = os.open(path, _NEW, 0o640)
    try:
        if os.writev(file, parts) < sum(map(len, parts)):
            raise OSError(errno.ENOSPC, "the file is cut short")
    finally:
        os.close(file)


_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
_quoted = lru_cache(maxsize=1024)(partial(quote, safe=""))


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _whole(data: bytes) -> bool:
    if len(data) < _HEAD.size:
        return False
    magic, checksum = _HEAD.unpack_from(data)
    return bool(magic == _MAGIC and zlib.crc32(memoryview(data)[_HEAD.size :]) == checksum)


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None


def _files(folder: str | Path) -> list[CachedFile]:
    files = list[CachedFile]()
    with suppress(OSError), os.scandir(folder) as found:
        for each in found:
            with suppress(OSError):
                status, address = each.stat(follow_symlinks=False), unquote(each.name.partition(",")[0])
                used = max(status.st_atime, status.st_mtime)
                files.append(CachedFile(each.path, address, status.st_size, status.st_mtime, used))
    return files
