"""What the archive asks of its storage. `storage/` implements these; `config/` joins the two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Protocol, Self

from pacs.accounts import Attempts, Credentials, Session
from pacs.actor import Actor
from pacs.feed import Change
from pacs.jobs.job import ClaimedJob, JobState, ListedJob
from pacs.jobs.tasks import Advance, Status, Task, Upload
from pacs.keeping import Amendment, Deletion, Expected
from pacs.model import (
    ApplicationEntity,
    AuditRecord,
    Blob,
    HeldVersions,
    Prepared,
    Received,
    Stored,
    StoredInstance,
    Values,
    VersionKey,
)
from pacs.query import Found, Query


class SpooledFile(Protocol):
    """Bytes on their way in, on this node's disk. Leaving the context throws the file away."""

    def write(self, data: bytes | memoryview) -> None:
        """Append and hash. `StorageFull` when the disk is; `LimitExceeded` past the size limit.

        A refused write throws the file away.
        """

    def mark_dataset(self) -> None:
        """The data set begins here: what is written from now on counts for `dataset_digest`."""

    def seal(self) -> Blob:
        """Flush to stable storage and name what was written. No write may follow."""

    @property
    def dataset_offset(self) -> int: ...

    @property
    def dataset_digest(self) -> str:
        """`blake3:…` of the data set alone; valid once sealed."""

    @property
    def size(self) -> int: ...

    def read_at(self, offset: int, length: int) -> bytes:
        """What was written so far, sealed or not; fewer bytes than asked for only at its end."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


class BlobReader(Protocol):
    """One blob, open for reading; fits `pacs.dicom.source.Source`."""

    @property
    def size(self) -> int: ...

    def read_at(self, offset: int, length: int) -> bytes:
        """Fewer bytes than asked for only at the end of the blob."""

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` to `end` in pieces of at most 1 MiB; `Damaged` when it ends before."""

    def verified(self, start: int = 0) -> Iterator[bytes]:
        """`chunks(start)` of a blob whose every byte is hashed: wrong bytes are never all handed out.

        `Damaged` comes before the first piece for blobs up to 1 MiB (64 MiB when they lie on a local
        disk, read twice), before the last piece for larger ones. What was found whole some minutes ago,
        and not touched since, may be taken for whole.
        """

    def prove(self) -> None:
        """`Damaged` when a byte is not as stored, for whoever reads ranges; the same blobs as `verified`
        checks before its first piece, larger ones are trusted."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


class Blobs(Protocol):
    def spool(self) -> SpooledFile: ...

    def publish(self, spooled: SpooledFile) -> Blob:
        """Make a sealed file readable under its address, durably, before returning.

        Idempotent: the same bytes again change nothing, but heal what was damaged. The spooled file
        stays until its context ends, so that a publication can be repeated.
        """

    def open(self, address: str) -> BlobReader:
        """`Damaged` when nothing lies there."""

    def missing(self, blobs: Iterable[Blob]) -> list[Blob]:
        """Those of them that do not lie here in their full size; cheap, reads no content.

        Asked by the transaction that first refers to a blob, after it has claimed the row and
        before it commits: the sweep may have removed an old orphan between publication and claim.
        """

    def holds(self, blob: Blob) -> bool:
        """Whether every byte of it lies here as it was stored; reads them all."""


class Index(Protocol):
    def store(self, received: Received) -> Stored:
        """Enter one published object; returns when that is durable (law 1).

        Calls of many threads share transactions. One transaction holds patient, study, series,
        instance, version, blob reference, audit record, event and follow-up jobs (law 5).
        `BlobVanishing` when the sweep is just removing this blob: publish it again and repeat.
        `DatabaseUnavailable` when the database stays away.
        """

    def prepare(self, prepared: Prepared) -> None:
        """Keep it soon, without waiting; lost in a crash, it is made again when somebody asks for it.

        Nothing happens to a version that is gone. `DatabaseUnavailable` when too much waits already.
        """

    def find(self, organization: int, query: Query) -> Iterator[Values]:
        """Matches in the query's order, read in pages. `QueryTooCostly` when that takes too long."""

    def page(self, organization: int, query: Query) -> Found:
        """The query's `limit` answers behind its `offset`, at one moment; else like `find`."""

    def count(self, organization: int, query: Query) -> int: ...

    def locate(self, organization: int, query: Query) -> Iterator[StoredInstance]:
        """The current version of each instance that an IMAGE-level query selects."""

    def retrieve(
        self, organization: int, study: str, series: str | None, sop: str | None
    ) -> Iterator[StoredInstance]:
        """The current versions, with their frames, in a study, in a series of it, or the one that is named.

        In the order of their numbers; nothing when there is no such thing.
        """


class Versions(Protocol):
    """The versions of instances with what is prepared of them."""

    def held(self, organization: int, study: str, series: str | None, sop: str | None) -> HeldVersions | None:
        """The current ones in a study, in a series of it, or the one that is named; None without any."""

    def prepared(self, organization: int, keys: Sequence[VersionKey]) -> Mapping[VersionKey, bytes | None]:
        """What is prepared of these, as in `Prepared`, and perhaps of others of the same instances.

        None where it is so long that it has to be asked for alone.
        """

    def instances(
        self, organization: int, keys: Sequence[VersionKey]
    ) -> Sequence[tuple[VersionKey, StoredInstance]]:
        """In that order; those that are gone are left out."""

    def keep(self, organization: int, prepared: Mapping[VersionKey, bytes]) -> None:
        """Nothing happens to versions that are gone. May fail: whoever asks next prepares them again."""


class AuditTrail(Protocol):
    def record(self, record: AuditRecord) -> None:
        """Append to the organisation's hash chain; durable when this returns."""

    def note(self, record: AuditRecord) -> None:
        """The same soon, without waiting: who reads an image waits for no disk.

        A clean end loses nothing; a crash may lose the last moment.
        """


class ChangeFeed(Protocol):
    """What happened in an organisation, in the order of commits."""

    def read(self, organization: int, after: int | None, limit: int) -> list[Change]:
        """The changes with a greater number than `after`, oldest first; None: all that are known.

        `ChangesGone` when the one behind `after` is not known any more.
        """

    def heads(self, organizations: Iterable[int]) -> dict[int, int]:
        """The number of the newest change of each of them that there is."""


class Keeping(Protocol):
    """What people do to studies; each in one transaction with its audit record and its event."""

    def expect(self, actor: Actor, expected: Expected) -> None:
        """`Conflict` when the study is there already."""

    def amend(self, actor: Actor, study: str, amendment: Amendment) -> None:
        """`NotFound`; `Conflict` when its images say otherwise, `IllegalTransition`."""

    def delete(self, actor: Actor, study: str, sop: str | None, reason: str) -> Deletion:
        """A study, or an instance of it; with the last instance its series, study and patient go."""

    def deletions(
        self, organization: int, limit: int, offset: int, *, restorable: bool = False
    ) -> tuple[list[Deletion], int]:
        """What was deleted, the newest first, and how much of it there is; perhaps only what can be
        brought back."""

    def deletion(self, organization: int, number: str) -> Deletion | None:
        """The one that is called so."""

    def restore(self, actor: Actor, deletion: str) -> Task:
        """Begin to bring it back, or what has been begun. `NotFound`; `Conflict` when its bytes are gone."""

    def remember(self, organization: int, deletion: str) -> None:
        """What people had said of a study that was brought back is said of it again."""


class Tasks(Protocol):
    """Work that somebody follows; each step in one transaction with its event."""

    def upload(
        self,
        actor: Actor,
        study: str | None,
        uploads: Sequence[Upload],
        said: Mapping[str, str] = MappingProxyType({}),
    ) -> Task:
        """Remember the published blobs, and the job that will take them in.

        `said`: keyword → value of what does not say itself whose it is.
        `BlobVanishing` when one of them was swept before: it lay there for too long.
        """

    def process(self, actor: Actor, study: str) -> Task:
        """Make anew what is derived of it, or the task that is about it already. `NotFound`."""

    def get(self, organization: int, number: str) -> Task | None: ...

    def page(self, organization: int, limit: int, offset: int) -> tuple[list[Task], int]:
        """The newest first, and how many there are."""

    def uploads(self, task: Task) -> list[Upload]:
        """What is still kept of it, in its order."""

    def advance(self, task: Task, advance: Advance) -> None:
        """It runs, and came so much further."""

    def finish(self, task: Task, status: Status, message: str) -> None: ...

    def release(self, task: Task) -> None:
        """Keep its files no longer."""


@dataclass(frozen=True, slots=True)
class CacheFigures:
    """What it holds, and how often it held what was asked for, or did not."""

    entries: int = 0
    bytes: int = 0
    hits: int = 0
    misses: int = 0


class Cache(Protocol):
    """What can be made again of an object's bytes: kept for a while, within a limit."""

    def get(self, organization: int, address: str, key: str, seconds: float) -> bytes | None:
        """What was put there at most so many seconds ago, unless it had to make room or is damaged."""

    def put(self, organization: int, address: str, key: str, data: bytes) -> None: ...

    def forget(self, organization: int, address: str) -> None: ...

    def count(self, organization: int, hit: bool) -> None:
        """Somebody's wish was met, or not."""

    def figures(self, organization: int) -> CacheFigures:
        """Of all processes of this node."""


class ApplicationEntities(Protocol):
    def find(self, title: str) -> ApplicationEntity | None:
        """AE titles are unique in an installation; the registration names the organisation."""

    def all(self) -> list[ApplicationEntity]: ...


class Jobs(Protocol):
    """The jobs of an organisation, for who administers it."""

    def page(
        self, organization: int, state: JobState | None, limit: int, offset: int
    ) -> tuple[list[ListedJob], int]:
        """The oldest first, and how many there are."""

    def retry(self, actor: Actor, number: int) -> bool:
        """Give one that failed all its tries again, now; False when there is no such job."""

    def drop(self, actor: Actor, state: JobState) -> int:
        """How many are given up."""


class JobQueue(Protocol):
    """Work that must survive: claimed by one node at a time, under a lease."""

    def claim(self, worker: str, lease: timedelta) -> ClaimedJob | None: ...

    def renew(self, job: ClaimedJob, lease: timedelta) -> bool: ...

    def complete(self, job: ClaimedJob) -> None: ...

    def retry(self, job: ClaimedJob, at: datetime, error: str) -> None: ...

    def fail(self, job: ClaimedJob, error: str) -> None: ...


class Accounts(Protocol):
    """Users, their sessions, and the sign-ins that failed."""

    def credentials(self, email: str) -> Credentials | None: ...

    def session(self, number: str) -> Session | None:
        """A session that was not ended, of a user who is active; it may have expired."""

    def open_session(self, actor: Actor, session: Session) -> None:
        """Audited as `login` or `token.create`."""

    def end_session(self, actor: Actor, number: str) -> None: ...

    def set_password(self, actor: Actor, user: int, password_hash: str, keep: str) -> None:
        """Ends all sessions of the user but `keep`."""

    def attempt(self, email: str, address: str) -> Attempts:
        """Count one more sign-in, before it is known whether it fails. Atomic over all nodes."""

    def forgive(self, email: str, address: str) -> None: ...
