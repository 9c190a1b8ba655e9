"""What a disk promises, and what its refusal means to a sender: full, or not available now."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pacs.errors import StorageFull, Unavailable

sync_data = getattr(os, "fdatasync", os.fsync)
"""Wait until a file's bytes, and its length, are on stable storage."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def disk_faults() -> Iterator[None]:
    """`OSError` becomes `StorageFull` or `Unavailable`: both tell the sender to try again later."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull from error
        raise Unavailable(f"storage: {error.strerror}") from error


def sync_folder(folder: Path | str) -> None:
    """Wait until the names in a folder are on stable storage."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
