"""`pacs verify`: compares the index with the blobs, in both directions.

Reads and hashes every referenced byte. It runs beside a working archive: what may merely have changed
meanwhile is checked a second time before it is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from typing import Any

from sqlalchemy import Row, Select, func, select

from pacs.errors import Damaged
from pacs.model import Blob
from storage import clock
from storage.blobs import BlobStore
from storage.database import Database
from storage.tables import blobs, instances, kept_blobs, versions
from storage.upkeep.counts import miscounts
from storage.upkeep.sweep import GRACE, unknown_blobs
from storage.upkeep.tallies import mistallied

_PAGE = 256
_AFFECTED = 1000  # instances named per blob


class Kind(Enum):
    MISSING = "a blob is missing"
    CHANGED = "a blob is not what was stored"
    REFERENCES = "a blob's reference count is wrong"
    COUNTS = "a count is wrong"
    ORPHAN = "a blob without a row; `pacs reindex` enters it, or the sweep removes it"

    @property
    def is_damage(self) -> bool:
        return self is not Kind.ORPHAN


@dataclass(frozen=True, slots=True)
class Affected:
    organization: int
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject`: a blob's address or the resource that counts wrongly."""

    kind: Kind
    subject: str
    detail: str = ""
    affected: tuple[Affected, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """`blobs` of `of` are read, which came to so many `bytes`."""

    blobs: int
    of: int
    bytes: int


def _ignore(_: Progress) -> None: ...


@dataclass(frozen=True, slots=True)
class Verification:
    """`threads`: concurrent readers, in pieces of 1 MiB each. `progress`: called after each page."""

    database: Database
    blobs: BlobStore
    threads: int = 2
    progress: Callable[[Progress], None] = _ignore

    def run(self) -> Iterator[Finding]:
        yield from self._rows()
        yield from self._stored()
        for wrong in chain(miscounts(self.database), mistallied(self.database)):
            detail = f"{wrong.column} is {wrong.kept}, should be {wrong.counted}"
            yield Finding(Kind.COUNTS, wrong.resource, detail)

    def _rows(self) -> Iterator[Finding]:
        done = read = 0
        after = ""
        total = self._total()
        with ThreadPoolExecutor(self.threads, thread_name_prefix="verify") as readers:
            while page := self._page(after):
                for found in readers.map(self._check, page):
                    yield from found
                done, read = done + len(page), read + sum(row.size for row in page)
                self.progress(Progress(done, max(done, total), read))
                after = page[-1].address

    def _check(self, row: Row[Any]) -> list[Finding]:
        """The findings of one blob. A row that changed meanwhile is not a finding.

        Unreferenced blobs are not checked: they wait for the sweep, or are published again.
        """
        problem = self._problem(Blob(row.address, row.size)) if row.referred else None
        if problem is None and row.refcount == row.referred:
            return []
        again = self._again(row.address)
        if again is None:
            return []
        affected = affected_by(self.database, row.address)
        found = [Finding(*problem, affected)] if problem else []
        if again.refcount != again.referred:
            detail = f"{again.refcount} counted, {again.referred} refer to it"
            found.append(Finding(Kind.REFERENCES, row.address, detail, affected))
        return found

    def _problem(self, blob: Blob) -> tuple[Kind, str, str] | None:
        try:
            with self.blobs.open(blob.address) as reader:
                if reader.size != blob.size:
                    return Kind.CHANGED, blob.address, f"{reader.size} bytes instead of {blob.size}"
                for _ in reader.verified():
                    pass
        except Damaged as error:
            kind = Kind.MISSING if self.blobs.missing([blob]) else Kind.CHANGED
            return kind, blob.address, str(error).removeprefix(blob.address).lstrip(": ")
        return None

    def _stored(self) -> Iterator[Finding]:
        """Blobs without a row. Recent ones are skipped, as they may belong to a store in progress."""
        after = ""
        while page := self.blobs.walk(after, _PAGE):
            before = clock.read(self.database) - GRACE
            for blob in unknown_blobs(self.database, [each.blob for each in page if each.modified < before]):
                yield Finding(Kind.ORPHAN, blob.address, f"{blob.size} bytes")
            after = page[-1].blob.address

    def _page(self, after: str) -> Sequence[Row[Any]]:
        page = _LIVE.where(blobs.c.address > after).order_by(blobs.c.address).limit(_PAGE)
        with self.database.read() as connection:
            return connection.execute(page).all()

    def _again(self, address: str) -> Row[Any] | None:
        with self.database.read() as connection:
            return connection.execute(_LIVE.where(blobs.c.address == address)).first()

    def _total(self) -> int:
        with self.database.read() as connection:
            return connection.execute(select(func.count()).select_from(blobs)).scalar_one()


_REFERRED = (
    select(func.count()).where(versions.c.blob == blobs.c.address).scalar_subquery()
    + select(func.count()).where(kept_blobs.c.blob == blobs.c.address).scalar_subquery()
)
_LIVE: Select[Any] = select(
    blobs.c.address, blobs.c.size, blobs.c.refcount, _REFERRED.label("referred")
).where(blobs.c.state == "live")


def affected_by(database: Database, address: str) -> tuple[Affected, ...]:
    """The instances whose bytes a blob holds."""
    named = (
        select(versions.c.org_id, instances.c.sop_instance_uid)
        .join(instances, instances.c.pk == versions.c.instance_pk)
        .where(versions.c.blob == address)
        .distinct()
        .limit(_AFFECTED)
    )
    with database.read() as connection:
        return tuple(Affected(row.org_id, row.sop_instance_uid) for row in connection.execute(named))
