"""The spool for incoming objects: each process has a folder of its own, held by a lock.

A lock ends with its process, so the files in a folder that is not locked were never acknowledged and
may be removed (`abandoned`).
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
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from pacs.errors import StorageFull
from storage.blobs.faults import disk_faults
from storage.blobs.spooled import SpoolFile

FOLDER_MODE = 0o750
_FREE_SPACE_AGE = 1.0  # seconds for which the free space is cached


def free_space(folder: Path) -> int:
    """Bytes available to this user."""
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """In bytes. `reserve` stays free for the database and for finishing objects already begun."""

    max_object: int = 16 << 30
    reserve: int = 256 << 20
    free_space: Callable[[Path], int] = free_space


def _admitted() -> None: ...


class Spool:
    """Opens files in this process's folder, which is made with the first one.

    Do not fork once it is used: the child would share the parent's lock.
    """

    def __init__(
        self, root: Path, limits: SpoolLimits, *, durable: bool, admit: Callable[[], None] = _admitted
    ) -> None:
        """`durable`: sealing waits for the disk (needless when the blob is sent to another machine).

        `admit`: raises where nothing must be stored. It is asked before this process's folder is made:
        that is gone with the disk that it lies on, and so are all files until the disk is back.
        """
        self.root = root
        self._admit = admit
        self._limits = limits
        self._durable = durable
        self._making = threading.Lock()
        self._own: tuple[Path, int] | None = None
        self._looked = -_FREE_SPACE_AGE
        self._free = 0

    def open(self) -> SpoolFile:
        """A new file. `StorageFull` before the first byte when the reserve is reached."""
        with disk_faults():
            path = self._folder() / secrets.token_hex(8)
            if self._free_space() < self._limits.reserve:
                raise StorageFull
            return SpoolFile(path, self._limits.max_object, durable=self._durable)

    def _folder(self) -> Path:
        if self._own is None:
            self._admit()  # outside the lock, as it may take long
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
        """Remove the folder, including files still open in it."""
        with self._making:
            if self._own is not None:
                folder, lock = self._own
                self._own = None
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def abandoned(root: Path) -> Iterator[Path]:
    """Spool folders below `root` whose process is gone, each locked while it is yielded."""
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if folder.exists():  # otherwise another node was faster
                yield folder
        except BlockingIOError:
            continue
        finally:
            os.close(lock)


def own_folder(root: Path) -> tuple[Path, int]:
    """A new folder below `root`, and the lock that marks it as this process's and its children's."""
    while True:
        folder = root / f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        folder.mkdir(mode=FOLDER_MODE)
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # a starting node took it for abandoned and removed it: make another
            continue
        with ExitStack() as undo:
            undo.callback(os.close, lock)
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if folder.exists():  # otherwise it was removed a little later
                    undo.pop_all()
                    return folder, lock
