"""Blobs in a folder: a sealed spool file is hard-linked to its address, then the folder is synced.

Only whole, durable files are ever linked, so no crash leaves a torn blob under an address. The
spool lies below the same root, hence on the same filesystem.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from stat import S_ISREG

import structlog

from pacs.errors import Damaged
from pacs.model import Blob
from pacs.ports import SpooledFile
from storage.blobs.address import FAN_OUT, MARK, ROOT, address_at, digest, key
from storage.blobs.faults import disk_faults, sync_data, sync_folder
from storage.blobs.reading import Reader, is_whole
from storage.blobs.spool import FOLDER_MODE, Spool, SpoolLimits
from storage.blobs.spooled import SpoolFile
from storage.blobs.store import Admit, Found, any_store
from storage.blobs.verified_files import VerifiedFiles

log = structlog.get_logger(__name__)

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EXDEV})


class LocalReader(Reader):
    read_twice = 64 << 20  # costs at most 15 ms from the page cache

    def __init__(self, address: str, path: str, verified: VerifiedFiles | None = None) -> None:
        """`verified`: where verification is remembered."""
        with disk_faults():
            try:
                self._fd = os.open(path, os.O_RDONLY)
            except FileNotFoundError as error:
                raise Damaged(f"{address} is missing") from error
        self._file = os.fstat(self._fd)
        if not S_ISREG(self._file.st_mode):
            self.close()
            raise Damaged(f"{address} is missing: what lies there is no file")
        self._verified = verified
        super().__init__(address, self._file.st_size)

    def verified(self, start: int = 0) -> Iterator[bytes]:
        return self.chunks(start) if self._is_known() else super().verified(start)

    def verify(self) -> None:
        if not self._is_known():
            super().verify()

    def _is_known(self) -> bool:
        return self._verified is not None and self._verified.knows(self._address, self._file)

    def _hashed(self, start: int) -> Iterator[bytes]:
        yield from super()._hashed(start)
        if self._verified is not None:
            self._verified.note(self._address, self._file)

    def fileno(self) -> int:
        return self._fd

    def read_at(self, offset: int, length: int) -> bytes:
        try:
            return os.pread(self._fd, length, offset)
        except OSError as error:  # an unreadable sector
            raise Damaged(f"{self._address}: {error.strerror}") from error

    def close(self) -> None:
        if self._fd >= 0:
            closed, self._fd = self._fd, -1
            with suppress(OSError):  # it is closed then, too
                os.close(closed)


class LocalBlobs:
    """Implements `BlobStore` below one folder."""

    near = True

    def __init__(self, root: Path, limits: SpoolLimits | None = None, admit: Admit = any_store) -> None:
        self._root = root
        self._prefix = f"{root}{os.sep}"
        self._admit = partial(admit, self)
        self._spool = Spool(root / "spool", limits or SpoolLimits(), durable=True, admit=self._admit)
        self._verified = VerifiedFiles()
        self._made = False
        self._making = threading.Lock()

    @property
    def spool_root(self) -> Path:
        return self._spool.root

    def spool(self) -> SpoolFile:
        return self._spool.open()

    def publish(self, spooled: SpooledFile) -> Blob:
        assert isinstance(spooled, SpoolFile)
        blob = spooled.seal()
        path = self._path(blob.address)
        with disk_faults():
            if not self._made:
                self._make_folders()
            try:
                self._link(spooled.path, blob)
            except FileNotFoundError:  # the folder was removed
                os.stat(spooled.path)  # if this fails too, the disk is no longer mounted
                self._make_folders()
                self._link(spooled.path, blob)
            sync_folder(os.path.dirname(path))
        return blob

    def _link(self, spooled: Path, blob: Blob) -> None:
        path = self._path(blob.address)
        try:
            os.link(spooled, path)
        except FileExistsError:
            if not self.holds(blob):
                _move_folder_aside(path)
                _replace(spooled, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _replace(spooled, path)

    def open(self, address: str) -> LocalReader:
        try:
            return LocalReader(address, self._path(address), self._verified)
        except Damaged:
            self._admit()
            raise

    def _open_anew(self, address: str) -> LocalReader:
        return LocalReader(address, self._path(address))

    def link(self, address: str, seconds: int) -> str | None:
        return None

    def missing(self, blobs: Iterable[Blob]) -> list[Blob]:
        return [blob for blob in blobs if not self._lies_here(blob)]

    def holds(self, blob: Blob) -> bool:
        return self._lies_here(blob) and is_whole(self._open_anew, blob.address)

    def ready(self) -> None:
        with disk_faults():
            os.stat(self._prefix)

    def delete(self, addresses: Iterable[str]) -> list[str]:
        staying = []
        with disk_faults():
            for address in addresses:
                try:
                    os.unlink(self._path(address))
                except (FileNotFoundError, IsADirectoryError):
                    pass
                except PermissionError:
                    if not os.path.isdir(self._path(address)):  # of which macOS says that, too
                        staying.append(address)
        return staying

    def walk(self, after: str, limit: int) -> list[Found]:
        found: list[Found] = []
        with disk_faults():
            for address in self._addresses(after):
                try:
                    state = os.stat(self._path(address))
                except FileNotFoundError:
                    continue
                if not S_ISREG(state.st_mode):
                    continue
                modified = datetime.fromtimestamp(state.st_mtime, UTC)
                found.append(Found(Blob(address, state.st_size), modified))
                if len(found) == limit:
                    break
        return found

    def mark(self) -> str:
        with disk_faults():
            try:
                return (self._root / MARK).read_text("ascii")
            except FileNotFoundError:
                return ""

    def leave_mark(self, text: str) -> None:
        with self.spool() as spooled, disk_faults():
            spooled.write(text.encode())
            spooled.seal()
            (self._root / MARK).parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
            os.replace(spooled.path, self._root / MARK)

    def close(self) -> None:
        self._spool.close()

    def _path(self, address: str) -> str:
        """A string, as `Path` costs more than the system call."""
        return self._prefix + key(address)

    def _lies_here(self, blob: Blob) -> bool:
        with disk_faults():
            try:
                found = os.stat(self._path(blob.address))
            except FileNotFoundError:
                return False
        return S_ISREG(found.st_mode) and found.st_size == blob.size

    def _make_folders(self) -> None:
        """Make all 256 folders durable with one wait for the disk instead of one for each.

        Other processes may do the same concurrently; each waits for the disk itself before it links.
        """
        with self._making:
            for number in range(16**FAN_OUT):
                folder = self._root / ROOT / f"{number:0{FAN_OUT}x}"
                folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            for above in (Path(ROOT), *Path(ROOT).parents):
                sync_folder(self._root / above)
            self._made = True

    def _addresses(self, after: str) -> Iterator[str]:
        first = digest(after)[:FAN_OUT] if after else ""
        root = self._root / ROOT
        for folder in sorted(os.listdir(root)) if root.is_dir() else ():
            if folder < first:
                continue
            for name in sorted(os.listdir(root / folder)):
                address = address_at(folder, name)
                if address is not None and address > after:
                    yield address


def _move_folder_aside(path: str) -> None:
    """Its content is not ours to remove."""
    if os.path.isdir(path):
        aside = f"{path}.{secrets.token_hex(4)}"
        os.rename(path, aside)
        log.error("a folder lay in the place of an object; it is moved aside", moved_to=aside)


def _replace(source: Path, target: str) -> None:
    """Replace `target` atomically by a second copy of `source`."""
    staged = source.with_suffix(".copy")
    try:
        with source.open("rb") as reading, staged.open("wb") as writing:
            shutil.copyfileobj(reading, writing, 1 << 20)
            writing.flush()
            sync_data(writing.fileno())
        shutil.copymode(source, staged)
        staged.replace(target)
    finally:  # an incomplete copy must not take up space
        staged.unlink(missing_ok=True)
