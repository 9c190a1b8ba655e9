"""`pacs import`: files, folders, ZIP and tar archives, each object stored byte for byte.

Files that are not DICOM, and DICOMDIR files, are skipped; what cannot be read fails by itself.
"""

from __future__ import annotations

import gzip
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from config.import_journal import Journal
from pacs.actor import Actor
from pacs.archive import Archive
from pacs.dicom.source import BytesSource, FileSource
from pacs.errors import BadInput, PacsError, Unavailable
from pacs.uploaded_file import GZIP, READ_ERRORS, UploadedFile, is_instance, is_tar

CHUNK = 1 << 20
WORKERS = 4  # they share commits, and so the waits for the disk
MAX_MEMBERS = 1_000_000  # of one ZIP archive
_DICM = slice(128, 132)
_ENCRYPTED = 1
"""Bit of a ZIP member's flags."""


@dataclass(frozen=True)
class Item:
    """One file or member of an archive. `key` differs when its content may have changed.

    `at_once`: a member of a tar archive, which must be read before the next one is taken. `took`: bytes of
    the archive that were read since then.
    """

    name: str
    key: str
    open: Callable[[], IO[bytes]]
    at_once: bool = False
    took: int = 0


@dataclass
class Tally:
    """The number of items by outcome, and the reasons of those that failed."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Expected:
    """How many items there are. The members of tar archives are not counted, which would take as long as
    reading them, but estimated: by the bytes that those seen so far took."""

    others: int = 0
    tars: int = 0
    tar_bytes: int = 0
    members: int = 0
    read: int = 0

    @classmethod
    def below(cls, paths: Iterable[Path]) -> Expected:
        found = cls()
        found.others = sum(1 for _ in items(paths, found._unread))
        return found

    def _unread(self, tar: Path) -> Iterator[Item]:
        self.tars += 1
        self.tar_bytes += tar.stat().st_size
        return iter(())

    def seen(self, item: Item) -> None:
        self.members += item.at_once
        self.read += item.took

    @property
    def total(self) -> int:
        estimated = self.members * self.tar_bytes // self.read if self.read else self.tars
        return self.others + max(self.members, estimated)


Unpack = Callable[[Path], Iterator[Item]]


def items(paths: Iterable[Path], unpacked: Unpack | None = None) -> Iterator[Item]:
    """All files below `paths` in the order of names, with archives replaced by their members.

    `unpacked`: takes the place of reading a tar archive.
    """
    for path in paths:
        for file in _files(path):
            try:
                yield from _items_of(file, unpacked or _members_of_tar)
            except BadInput as error:
                yield _refused(file, str(error))
            except READ_ERRORS as error:
                yield _refused(file, f"cannot be read ({type(error).__name__})")


def _items_of(file: Path, unpacked: Unpack) -> Iterator[Item]:
    kind = _kind(file)
    if kind == "zip":
        yield from _members(file)
    elif kind == "tar":
        yield from unpacked(file)
    else:
        yield _refused(file, kind) if kind else _file_item(file)


def _kind(file: Path) -> str:
    """`zip`, `tar`, empty for a file to be stored as it is, or why it cannot be."""
    if not file.is_file():
        return "a folder that cannot be read" if file.is_dir() else "neither a file nor a folder"
    with file.open("rb") as opened:
        head = opened.read(512)
    if head[_DICM] == b"DICM":
        return ""
    if zipfile.is_zipfile(file):
        return "zip"
    if is_tar(head) or (head[:2] == GZIP and is_tar(_inflated(file))):
        return "tar"
    return "a ZIP archive that is damaged or ends early" if head.startswith(b"PK\3\4") else ""


def _inflated(file: Path) -> bytes:
    with suppress(*READ_ERRORS), gzip.open(file) as opened:
        return opened.read(512)
    return b""


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    unreadable: list[OSError] = []
    for folder, folders, names in os.walk(path, onerror=unreadable.append):
        folders.sort()
        yield from (file for name in sorted(names) if _is_of_interest(file := Path(folder, name)))
    yield from (Path(error.filename) for error in unreadable)


def _is_of_interest(file: Path) -> bool:
    """False for sockets, pipes and broken links; True for what may be a file but cannot be examined."""
    try:
        return file.is_file()
    except OSError:
        return True


def _refused(file: Path, why: str, member: str = "") -> Item:
    """An item that fails for this reason while the others are stored."""

    def refuse() -> IO[bytes]:
        raise BadInput(why)

    return Item(f"{file}:{member}" if member else str(file), "", refuse)


def _file_item(file: Path) -> Item:
    return Item(str(file), _key(file), lambda: file.open("rb"))


def _key(file: Path) -> str:
    state = file.stat()
    return f"{file.resolve()}|{state.st_size}|{state.st_mtime_ns}"


def _members(file: Path) -> Iterator[Item]:
    whole = _key(file)
    archive = zipfile.ZipFile(file)
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        yield _refused(file, f"more than {MAX_MEMBERS} members: unpack it first")
        return
    for member in members:
        if member.flag_bits & _ENCRYPTED:
            yield _refused(file, "encrypted: unpack it first", member.filename)
        elif not member.is_dir():
            yield Item(
                f"{file}:{member.filename}",
                f"{whole}|{member.header_offset}|{member.CRC}",
                partial(archive.open, member),  # keeps the archive open as long as needed
            )


def _members_of_tar(file: Path) -> Iterator[Item]:
    whole, before = _key(file), 0
    with closing(_Measured(file)) as source:
        for number, member in enumerate(UploadedFile(source, source.size).members()):
            took, before = source.reached - before, source.reached
            yield Item(f"{file}:{member.name}", f"{whole}|{number}", member.open, at_once=True, took=took)


class _Measured(FileSource):
    """`reached`: the end of what was read."""

    reached = 0

    def read_at(self, offset: int, length: int) -> bytes:
        data = super().read_at(offset, length)
        self.reached = max(self.reached, offset + len(data))
        return data


@dataclass(frozen=True)
class Importer:
    archive: Archive
    actor: Actor
    journal: Journal
    again: bool = False
    """Import again what the journal lists."""

    def run(self, found: Iterable[Item], progress: Callable[[Item, str], None]) -> Tally:
        """`progress` is called in this thread with each item and its outcome."""
        tally = Tally()
        with ThreadPoolExecutor(WORKERS) as pool:
            for item, outcome, reason in _in_flight(pool, self._take, found):
                tally.counts[outcome] += 1
                if outcome == "failed":
                    tally.failures.append((item.name, reason))
                progress(item, outcome)
        return tally

    def _take(self, item: Item) -> tuple[Item, str, str]:
        if not self.again and self.journal.knows(item.key):
            return item, "known", ""
        try:
            outcome = self._store(item)
        except Unavailable:
            raise
        except PacsError as error:
            return item, "failed", str(error)
        if outcome not in ("skipped", "packed"):
            self.journal.add(item.key)
        return item, outcome, ""

    def _store(self, item: Item) -> str:
        with _reading():
            file = item.open()
        with file:
            head = _read(file)
            if not is_instance(head, self.archive.limits):
                return "packed" if UploadedFile(BytesSource(head), len(head)).kind else "skipped"
            return self.archive.store_file(self.actor, _chunks(head, file)).outcome.value


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except READ_ERRORS as error:
        raise BadInput(f"cannot be read ({type(error).__name__})") from error


def _read(file: IO[bytes]) -> bytes:
    with _reading():
        return file.read(CHUNK)


def _chunks(head: bytes, file: IO[bytes]) -> Iterator[bytes]:
    while head:
        yield head
        head = _read(file)


def _in_flight(
    pool: ThreadPoolExecutor, work: Callable[[Item], tuple[Item, str, str]], found: Iterable[Item]
) -> Iterator[tuple[Item, str, str]]:
    """Results in order, with a bounded number of items in flight."""
    pending: set[Future[tuple[Item, str, str]]] = set()
    try:
        for item in found:
            if item.at_once:
                yield work(item)
                continue
            pending.add(pool.submit(work, item))
            if len(pending) >= 2 * WORKERS:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        yield from (future.result() for future in pending)
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
