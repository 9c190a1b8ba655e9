"""One incoming object: hashed while it is written, complete and durable once sealed.

Small writes are gathered into pieces of 256 KiB before they are hashed and written: memory per object
is constant and an ordinary image takes a handful of system calls.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from blake3 import blake3

from pacs.errors import FileTooLarge, Unavailable
from pacs.model import Blob
from storage.blobs.address import address_of
from storage.blobs.faults import begin_writing, disk_faults, sync_data

PIECE = 256 << 10
_FILE_MODE = 0o640


class SpoolFile:
    """Implements `pacs.ports.SpooledFile`."""

    def __init__(self, path: Path, max_size: int, *, durable: bool) -> None:
        self.path = path
        self._max_size = max_size
        self._durable = durable
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        self._gathered = bytearray()
        self._written = 0
        self._whole = blake3()
        self._dataset: blake3 | None = None
        self._dataset_offset = 0
        self._sealed: Blob | None = None

    @property
    def size(self) -> int:
        return self._written + len(self._gathered)

    @property
    def blob(self) -> Blob:
        """The sealed blob."""
        assert self._sealed is not None, "not sealed"
        return self._sealed

    @property
    def dataset_offset(self) -> int:
        return self._dataset_offset

    @property
    def dataset_digest(self) -> str:
        assert self._sealed is not None and self._dataset is not None, "not sealed, or no data set marked"
        return address_of(self._dataset)

    def write(self, data: bytes | memoryview) -> None:
        assert self._sealed is None, "sealed"
        if self.size + len(data) > self._max_size:
            self.discard()
            raise FileTooLarge(f"larger than {self._max_size} bytes")
        if len(self._gathered) + len(data) < PIECE:
            self._gathered += data
            return
        begin = self._written
        self._drain()
        if len(data) < PIECE:
            self._gathered += data
        else:
            self._put(data)
        if self._durable:
            begin_writing(self._fd, begin, self._written - begin)

    def mark_dataset(self) -> None:
        """The data set begins with what is written next."""
        assert self._dataset is None, "marked twice"
        self._dataset = blake3()
        self._dataset_offset = self.size

    def seal(self) -> Blob:
        if self._sealed is None:
            self._drain()
            if self._durable:
                with self._or_discard():
                    sync_data(self._fd)
            self._sealed = Blob(address_of(self._whole), self._written)
        return self._sealed

    def read_at(self, offset: int, length: int) -> bytes:
        """Reads from the bytes written so far; fewer than asked for only at their end."""
        if offset + length > self._written and self._sealed is None:
            self._drain()
        with disk_faults():
            return os.pread(self._fd, length, offset)

    def discard(self) -> None:
        """Remove the file; idempotent."""
        if self._fd >= 0:
            closed, self._fd = self._fd, -1  # a close that fails has closed it, too
            with suppress(OSError):
                os.close(closed)
            with suppress(OSError):
                self.path.unlink()

    def _drain(self) -> None:
        if self._gathered:
            gathered, self._gathered = self._gathered, bytearray()
            self._put(gathered)

    def _put(self, data: bytes | bytearray | memoryview) -> None:
        self._whole.update(data)
        rest = memoryview(data)
        if self._dataset is not None:
            self._dataset.update(rest[max(0, self._dataset_offset - self._written) :])
        with self._or_discard():
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        self._written += len(data)

    @contextmanager
    def _or_discard(self) -> Iterator[None]:
        """Removes the file when a write fails, so that half an object does not take up space."""
        try:
            with disk_faults():
                yield
        except Unavailable:
            self.discard()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.discard()
