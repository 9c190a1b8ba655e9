"""Durability of files, and disk errors as the archive's: full, or unavailable."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pacs.errors import DISK_FULL, StorageFull, Unavailable

sync_data = getattr(os, "fdatasync", os.fsync)
"""Wait until a file's bytes, and its length, are on stable storage."""


def begin_writing(descriptor: int, offset: int, length: int) -> None:
    """Start writing recent bytes to disk without waiting, so that `sync_data` has less to wait for.

    `POSIX_FADV_DONTNEED` makes Linux begin writeback. The pages stay cached: it drops only those that
    are on the disk already.
    """
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(descriptor, offset, length, os.POSIX_FADV_DONTNEED)


@contextmanager
def disk_faults() -> Iterator[None]:
    """`OSError` becomes `StorageFull` or `Unavailable`: both tell the sender to try again later."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise StorageFull from error
        raise Unavailable(f"storage: {error.strerror}") from error


def sync_folder(folder: Path | str) -> None:
    """Wait until the names in a folder are on stable storage."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
