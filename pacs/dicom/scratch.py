"""Temporary storage for bytes that are written once and then read: in memory, or in an unnamed file if many.

Like the spool, the file leaves a reserve of disk space free.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from pacs.dicom.limits import DEFAULT, MIB, Limits
from pacs.errors import DISK_FULL, StorageFull

CHUNK = 256 * 1024
IN_MEMORY = 4 * MIB
_STRETCH = MIB  # bytes that go to the disk between two looks at its free space


class Scratch:
    """`StorageFull` when a write would use up `limits.reserve`, or when the disk is full."""

    def __init__(self, limits: Limits = DEFAULT) -> None:
        self._reserve = limits.reserve
        self._folder = limits.scratch_folder or tempfile.gettempdir()
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY, dir=self._folder)  # noqa: SIM115 - see `close`
        self._next_look = IN_MEMORY
        self.size = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._next_look:
            self._next_look = self.size + _STRETCH
            disk = os.statvfs(self._folder)
            if disk.f_bavail * disk.f_frsize < self._reserve + len(data):
                raise StorageFull
        with _full_disk():
            self._file.write(data)

    def read_at(self, offset: int, length: int) -> bytes:
        with _full_disk():  # buffered writes may reach the disk only now
            self._file.seek(offset)
        return self._file.read(max(length, 0))

    def pieces(self) -> Iterator[bytes]:
        offset = 0
        while piece := self.read_at(offset, CHUNK):
            yield piece
            offset += len(piece)

    def close(self) -> None:
        with _full_disk():
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@contextmanager
def _full_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise StorageFull from error
        raise
