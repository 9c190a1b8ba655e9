"""Bytes on their way in: each process spools into a folder of its own, held by a lock.

A lock dies with its process, so whatever lies in a folder that nobody holds was never
acknowledged and may be thrown away (`abandoned`).
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pacs.errors import StorageFull
from storage.blobs.faults import disk_faults
from storage.blobs.spooled import SpoolFile

FOLDER_MODE = 0o750
_FREE_SPACE_AGE = 1.0  # seconds that one look at the disk serves


def free_space(folder: Path) -> int:
    """Bytes that this user may still write."""
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """Bytes. `reserve` stays free, for the database and for ending what has begun."""

    max_object: int = 64 << 30
    reserve: int = 256 << 20
    free_space: Callable[[Path], int] = free_space


class Spool:
    """Opens files in this process's folder, which it makes with the first one.

    Not to be carried through a fork once used: the child would share the parent's lock.
    """

    def __init__(self, root: Path, limits: SpoolLimits, *, durable: bool) -> None:
        """`durable`: sealing waits for the disk (needless where the blob goes to another machine)."""
        self.root = root
        self._limits = limits
        self._durable = durable
        self._making = threading.Lock()
        self._own: tuple[Path, int] | None = None
        self._looked = -_FREE_SPACE_AGE
        self._free = 0

    def open(self) -> SpoolFile:
        """A new file. `StorageFull` before the first byte when the reserve is touched."""
        with disk_faults():
            path = self._folder() / secrets.token_hex(8)
            if self._free_space() < self._limits.reserve:
                raise StorageFull
            return SpoolFile(path, self._limits.max_object, durable=self._durable)

    def _folder(self) -> Path:
        with self._making:
            if self._own is None:
                self.root.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
                self._own = own_folder(self.root)
            return self._own[0]

    def _free_space(self) -> int:
        now = time.monotonic()
        if now - self._looked >= _FREE_SPACE_AGE:
            self._free = self._limits.free_space(self.root)
            self._looked = now
        return self._free

    def close(self) -> None:
        """Throw the folder away, and whatever is still open in it."""
        with self._making:
            if self._own is not None:
                folder, lock = self._own
                self._own = None
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def abandoned(root: Path) -> Iterator[Path]:
    """Spool folders below `root` whose process is gone, each held locked while it is handed out."""
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield folder
        except BlockingIOError:
            continue
        finally:
            os.close(lock)


def own_folder(root: Path) -> tuple[Path, int]:
    """A new folder below `root`, and the lock that makes it this process's, and that of its children."""
    while True:
        folder = root / f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        folder.mkdir(mode=FOLDER_MODE)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if folder.exists():
                return folder, lock
        except BlockingIOError:
            pass
        os.close(lock)  # a node that is just starting took it for a leftover: it is gone, take another
