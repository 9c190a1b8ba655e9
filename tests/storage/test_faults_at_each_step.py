"""A disk that is full or fails at any single step of storing: refused, nothing is left, well afterwards.

A first run notes from where the system is called; then the first call from each place fails, one at a time.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import psycopg
import pytest
from pydicom.uid import generate_uid
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from pacs.errors import DatabaseUnavailable, PacsError, StorageFull, Unavailable
from pacs.model import Outcome
from storage import statements
from storage.blobs import LocalBlobs, SpoolLimits, local, spooled
from storage.commits import CommitLimits
from storage.database import Database
from storage.disk_cache import DiskCache
from storage.shared_figures import ALL
from storage.tables import metadata, prepared_metadata
from tests.conformance.senders import small_ct
from tests.storage.received import MODALITY
from tests.storage.shelf import Shelf, shelf_of
from tests.storage.world import assert_counts_true

SYSTEM_CALLS: tuple[tuple[ModuleType, str], ...] = (
    *((os, name) for name in ("open", "write", "pread", "fsync", "mkdir", "stat", "link", "close", "unlink")),
    *((os, name) for name in ("statvfs", "chmod", "writev", "pwrite", "replace")),
    (spooled, "sync_data"),
    (local, "sync_data"),
    (fcntl, "flock"),
)
_FOREIGN = (str(Path(os.__file__).parent), str(Path(pytest.__file__).parents[1]), statements.__file__)
_GIVING_BACK = (fcntl.LOCK_UN,)  # which cannot fail
FULL_OR_BROKEN = pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=errno.errorcode.get)


def as_file(side: int) -> bytes:
    made = io.BytesIO()
    small_ct(generate_uid(), generate_uid(), side=side).save_as(made, enforce_file_format=True)
    return made.getvalue()


@dataclass
class Faults:
    """Calls of this thread from a place in the product: noted, or failing."""

    full: bool
    error: Callable[[], Exception]
    places: dict[str, None] = field(default_factory=dict)
    failing: str | None = None
    counting: bool = False
    done_first: frozenset[str] = frozenset({"close"})
    """Calls that fail once they have done what they should: one that closes has closed all the same."""

    def wrap(self, of: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        real, mine = getattr(of, name), threading.get_ident()

        @wraps(real)
        def called(*args: Any, **kwargs: Any) -> Any:
            looking = threading.get_ident() == mine and (self.counting or self.failing)
            if looking and args[1:] != _GIVING_BACK and self._fails(name):
                if name in self.done_first:
                    real(*args, **kwargs)
                raise self.error()
            return real(*args, **kwargs)

        monkeypatch.setattr(of, name, called)

    def _fails(self, name: str) -> bool:
        place = f"{name} in {_caller()}"
        if self.counting:
            self.places[place] = None
        if place != self.failing:
            return False
        self.failing = None
        return True

    @contextmanager
    def counted(self) -> Iterator[None]:
        self.counting = True
        yield
        self.counting = False

    @contextmanager
    def at(self, place: str) -> Iterator[None]:
        self.failing = place
        yield
        assert self.failing is None, f"not reached: {place}"


def _caller() -> str:
    """The line of the product from where this module was called."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(_FOREIGN) and code.co_filename != __file__:
            return f"{code.co_qualname}:{frame.f_lineno}"
        frame = frame.f_back
    raise AssertionError


def descriptors() -> int:
    """But for sockets: the object store's client of another test may close one a minute after that."""
    found = 0
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found += not os.readlink(f"/proc/self/fd/{number}").startswith("socket:")
    return found


def left_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@contextmanager
def fresh(database: Database, folder: Path, patience: float = 60) -> Iterator[Shelf]:
    """A process that has stored nothing yet, and its empty folder."""
    blobs = LocalBlobs(folder, SpoolLimits(reserve=0))
    with shelf_of(database, blobs, CommitLimits(patience)) as made:
        yield made
    blobs.close()


def rows_of(database: Database) -> dict[str, int]:
    """How many rows each table has, but for what is prepared a little later."""
    with database.read() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
            if table is not prepared_metadata
        }


def assert_stored_or_refused(shelf: Shelf, faults: Faults, place: str, side: int) -> bool:
    """What fails at this place is refused and leaves nothing, and is taken the next time."""
    content, before = as_file(side), rows_of(shelf.database)
    stored = False
    try:
        with faults.at(place):
            shelf.archive.store_file(MODALITY, [content])
            stored = True
    except PacsError as error:
        assert type(error) in (StorageFull, DatabaseUnavailable, Unavailable), place
        assert (type(error) is StorageFull) is faults.full, place
        lost = place.startswith(tuple(faults.done_first - {"close"}))
        assert rows_of(shelf.database) == before or lost, place
        stored = lost
    assert place.startswith("unlink ") or left_in(shelf.blobs.spool_root) == [], place
    again = shelf.archive.store_file(MODALITY, [content])
    assert again.outcome is (Outcome.DUPLICATE if stored else Outcome.CREATED), place
    assert shelf.blobs.holds(again.blob), place
    return stored


@FULL_OR_BROKEN
@pytest.mark.parametrize(
    ("side", "links"), [(16, True), (400, False)], ids=["one piece, linked", "several pieces, copied"]
)
def test_the_folder(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, code: int, side: int, links: bool, tmp_path: Path
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    faults = Faults(full=code == errno.ENOSPC, error=lambda: OSError(code, os.strerror(code)))
    for of, name in SYSTEM_CALLS:
        faults.wrap(of, name, monkeypatch)
    database = Database(sqlite_url)
    with fresh(database, tmp_path / "healthy") as shelf, faults.counted():
        shelf.archive.store_file(MODALITY, [as_file(side)])
    rows_of(database)
    assert len(faults.places) > 15
    refused = 0
    for number, place in enumerate(faults.places):
        opened = descriptors()
        with fresh(database, tmp_path / str(number)) as shelf:
            refused += not assert_stored_or_refused(shelf, faults, place, side)
        assert descriptors() == opened, place
    assert refused > 12
    assert_counts_true(database)
    database.close()


def _fault_of(dialect: Any, full: bool) -> DBAPIError:
    error: Exception
    if dialect.name == "sqlite":
        error = sqlite3.OperationalError("disk full" if full else "disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL if full else sqlite3.SQLITE_IOERR
    else:
        error = psycopg.errors.DiskFull() if full else psycopg.errors.IoError()
    made = DBAPIError.instance("", None, error, dialect.dbapi.Error, dialect=dialect)
    assert isinstance(made, DBAPIError)
    return made


@FULL_OR_BROKEN
@pytest.mark.parametrize("answer", ["no", "lost"])
@pytest.mark.parametrize("patience", [0, 60])
def test_the_database(
    database: Database, monkeypatch: pytest.MonkeyPatch, code: int, answer: str, patience: int, tmp_path: Path
) -> None:
    dialect = database._writer.dialect
    full = code == errno.ENOSPC
    faults = Faults(full=full, error=lambda: _fault_of(dialect, full))
    if answer == "lost":
        faults.done_first = frozenset({"do_commit"})
    for name in ("do_begin", "do_execute", "do_executemany", "do_commit"):
        faults.wrap(dialect, name, monkeypatch)
    faults.wrap(statements, "_compiled", monkeypatch)
    with fresh(database, tmp_path / "store", patience) as shelf:
        with faults.counted():
            shelf.archive.store_file(MODALITY, [as_file(16)])
        assert len(faults.places) > 12
        stored = {place: assert_stored_or_refused(shelf, faults, place, 16) for place in faults.places}
    assert all(stored.values()) is (patience > 0 and not full)
    assert_counts_true(database)


CACHE = 1 << 20
ADDRESS = "blake3:0"


@FULL_OR_BROKEN
def test_the_cache(monkeypatch: pytest.MonkeyPatch, code: int, tmp_path: Path) -> None:
    """A picture that cannot be kept is made again; what is counted is what lies there."""
    faults = Faults(full=code == errno.ENOSPC, error=lambda: OSError(code, os.strerror(code)))
    for of, name in SYSTEM_CALLS:
        faults.wrap(of, name, monkeypatch)
    cache = DiskCache(tmp_path / "healthy", CACHE)
    with faults.counted():
        cache.put(1, ADDRESS, "old", b"picture")
        assert cache.get(1, ADDRESS, "old", 60) == b"picture"
    cache.close()
    assert len(faults.places) > 5
    for number, place in enumerate(faults.places):
        opened = descriptors()
        cache = DiskCache(tmp_path / str(number), CACHE)
        with faults.at(place):
            cache.put(1, ADDRESS, "key", b"picture")
            assert cache.get(1, ADDRESS, "key", 60) in (None, b"picture"), place
        files = [path for path in left_in(cache.folder) if path.name != "figures"]
        found = cache.statistics(ALL)
        assert (found.entries, found.bytes) == (len(files), sum(p.stat().st_size for p in files)), place
        cache.put(1, ADDRESS, "key", b"picture")
        assert cache.get(1, ADDRESS, "key", 60) == b"picture", place
        cache.close()
        assert descriptors() == opened, place
