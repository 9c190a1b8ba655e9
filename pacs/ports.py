"""What the archive needs of its storage, as protocols; `storage/` implements them, `config/` joins both.

Every method may raise `DatabaseUnavailable` or another `Unavailable`; its docstring names the other errors.
What takes an organisation or an actor sees and changes only what belongs to that organisation: another one's
object is as good as none. A change is durable, with its audit record, when the method returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Protocol, Self

from pacs.accounts import Attempts, Credentials, Session
from pacs.actor import Actor
from pacs.feed import Change
from pacs.jobs.job import ClaimedJob, JobState, ListedJob
from pacs.jobs.tasks import Progress, Status, Task, Upload
from pacs.model import (
    ApplicationEntity,
    AuditRecord,
    Blob,
    CacheStatistics,
    Prepared,
    Received,
    Stored,
    StoredInstance,
    Values,
    VersionKey,
    VersionList,
)
from pacs.search.query import Query, ResultPage
from pacs.study_management import Amendment, Deletion, Expected


class SpooledFile(Protocol):
    """An incoming object on this node's disk. Leaving the context removes the file."""

    def write(self, data: bytes | memoryview) -> None:
        """Append and hash. `StorageFull` when the disk is full; `LimitExceeded` beyond the size limit.

        A refused write removes the file.
        """

    def mark_dataset(self) -> None:
        """The data set begins here: bytes written from now on count for `dataset_digest`."""

    def seal(self) -> Blob:
        """Flush to stable storage and return the blob. No write may follow."""

    @property
    def dataset_offset(self) -> int:
        """Bytes before the data set."""

    @property
    def dataset_digest(self) -> str:
        """`blake3:…` of the data set alone; valid once sealed."""

    @property
    def size(self) -> int:
        """Bytes written so far."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Reads from the bytes written so far, sealed or not; fewer than asked for only at their end."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


class BlobReader(Protocol):
    """One blob, open for reading; fits `pacs.dicom.source.Source`."""

    @property
    def size(self) -> int: ...

    def read_at(self, offset: int, length: int) -> bytes:
        """Fewer bytes than asked for only at the end of the blob."""

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` to `end` in pieces of at most 1 MiB; `Damaged` when the blob is shorter."""

    def verified(self, start: int = 0) -> Iterator[bytes]:
        """`chunks(start)` with every byte hashed: a damaged blob is never yielded to its end.

        `Damaged` is raised before the first piece for blobs up to 1 MiB (64 MiB on a local disk, which are
        read twice), before the last piece for larger ones. A blob that was verified some minutes ago and has
        not changed since may be trusted.
        """

    def verify(self) -> None:
        """Verify before reading ranges: `Damaged` when a byte is not as stored. Blobs larger than those that
        `verified` checks before its first piece are trusted."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


class Blobs(Protocol):
    """Content-addressed bytes: equal bytes have one address, whoever sent them, and never change."""

    near: bool
    """Whether `missing` may be asked for all the objects of a study before the first of them is sent."""

    def spool(self) -> SpooledFile:
        """`StorageFull` below the reserve of free space."""

    def publish(self, spooled: SpooledFile) -> Blob:
        """Make a sealed file readable under its address, durably, before returning.

        Idempotent: publishing the same bytes again changes nothing, but repairs a damaged blob. The spooled
        file stays until its context ends, so that a publication can be repeated.
        """

    def open(self, address: str) -> BlobReader:
        """`Damaged` when there is no such blob."""

    def link(self, address: str, seconds: int) -> str | None:
        """A URL from which anybody can read the blob for so long; None when only this server can give it."""

    def missing(self, blobs: Iterable[Blob]) -> list[Blob]:
        """Those that are absent or have another size; cheap, reads no content.

        Called by the transaction that first refers to a blob, after it has claimed the row and
        before it commits: the sweep may have removed an old orphan between publication and claim.
        """

    def holds(self, blob: Blob) -> bool:
        """Whether every byte is as stored; reads them all."""


class Index(Protocol):
    """What is stored, by its attributes: patients, studies, series, instances and their versions."""

    def store(self, received: Received) -> Stored:
        """Enter one published object; returns when its transaction is durable (law 1).

        Calls of many threads share transactions. One transaction holds patient, study, series,
        instance, version, blob reference, audit record, event and follow-up jobs (law 5).
        `BlobVanishing` when the sweep is removing this blob: publish it again and repeat.
        `DatabaseUnavailable` when the database stays unavailable.
        """

    def prepare(self, prepared: Prepared) -> None:
        """Store it soon, without waiting; if a crash loses it, it is made again on request.

        Ignored for a deleted version. `DatabaseUnavailable` when too many entries wait already.
        """

    def find(self, organization: int, query: Query) -> Iterator[Values]:
        """The matches in the query's order, read in pages. `QueryTooCostly` when that takes too long."""

    def page(self, organization: int, query: Query) -> ResultPage:
        """The query's `limit` answers after its `offset`, in one snapshot; otherwise like `find`."""

    def count(self, organization: int, query: Query) -> int:
        """The matches, whatever the query's `limit` and `offset`."""

    def locate(self, organization: int, query: Query) -> Iterator[StoredInstance]:
        """The current version of each instance that an IMAGE-level query selects."""

    def retrieve(
        self, organization: int, study: str, series: str | None, sop: str | None
    ) -> Iterator[StoredInstance]:
        """The current versions, with frame index, of a study, one of its series, or one instance.

        In the order of their numbers; empty when there is no such study, series or instance.
        """


class Versions(Protocol):
    """The versions of instances and their prepared metadata."""

    def current(
        self, organization: int, study: str, series: str | None, sop: str | None
    ) -> VersionList | None:
        """The current versions of a study, one of its series, or one instance; None when there are none."""

    def prepared(self, organization: int, keys: Sequence[VersionKey]) -> Mapping[VersionKey, bytes | None]:
        """The prepared metadata of these, as in `Prepared`, possibly with other versions of the instances.

        None for one so long that it must be requested alone.
        """

    def instances(
        self, organization: int, keys: Sequence[VersionKey]
    ) -> Sequence[tuple[VersionKey, StoredInstance]]:
        """In the given order; deleted ones are left out."""

    def keep(self, organization: int, prepared: Mapping[VersionKey, bytes]) -> None:
        """Store it, except of deleted versions. May fail: then the next request prepares it again."""


class AuditTrail(Protocol):
    """Who did what, as one hash chain for each organisation."""

    def record(self, record: AuditRecord) -> None:
        """Append to the organisation's hash chain; durable when this returns."""

    def note(self, record: AuditRecord) -> None:
        """Append soon, without waiting, so that reading an image does not wait for the disk.

        A clean shutdown loses nothing; a crash may lose the last moments.
        """


class ChangeFeed(Protocol):
    """The changes of an organisation, in the order of commits."""

    def read(self, organization: int, after: int | None, limit: int) -> list[Change]:
        """The changes with a number greater than `after`, oldest first; None: all that are kept.

        `ChangesGone` when the one after `after` is no longer kept.
        """

    def heads(self, organizations: Iterable[int]) -> dict[int, int]:
        """The number of the newest change of each existing organisation."""


class StudyManagement(Protocol):
    """What users do to studies, each in one transaction with its audit record and event."""

    def expect(self, actor: Actor, expected: Expected) -> None:
        """Announce a study before its images. `Conflict` when the study exists already."""

    def amend(self, actor: Actor, study: str, amendment: Amendment) -> None:
        """Change a study. `NotFound`; `Conflict` for attributes that images carry; `IllegalTransition`."""

    def delete(self, actor: Actor, study: str, sop: str | None, reason: str) -> Deletion:
        """Delete a study, or one instance of it; with its last instance a series, study or patient goes too.

        `NotFound` when there is no such study or instance.
        """

    def deletions(
        self, organization: int, limit: int, offset: int, *, restorable: bool = False
    ) -> tuple[list[Deletion], int | None]:
        """A page of deletions, the newest first, and their number, None where counting would cost too much;
        optionally only those that can be restored."""

    def deletion(self, organization: int, number: str) -> Deletion | None:
        """The deletion with this number, or None."""

    def restore(self, actor: Actor, deletion: str) -> Task:
        """Begin to restore it, or return the running task. `NotFound`; `Conflict` once its bytes are gone."""

    def restore_details(self, organization: int, deletion: str) -> None:
        """Give a restored study its priority, clinical notes and body part back."""

    def undo_restore(self, task: Task, deletion: str) -> None:
        """Leave all bytes to the deletion, as the task could not restore them all. It may be repeated."""


class Tasks(Protocol):
    """Work that a user follows, each step in one transaction with its event."""

    def upload(
        self,
        actor: Actor,
        study: str | None,
        uploads: Sequence[Upload],
        attributes: Mapping[str, str] = MappingProxyType({}),
    ) -> Task:
        """Record the published blobs and enqueue the job that stores them.

        `attributes`: keyword → value for files that do not name their patient.
        `BlobVanishing` when one of them was swept, as it was unreferenced for too long.
        """

    def process(self, actor: Actor, study: str) -> Task:
        """Begin to regenerate what is derived from a study, or return the running task. `NotFound`."""

    def get(self, organization: int, number: str) -> Task | None:
        """The task with this number, or None."""

    def page(self, organization: int, limit: int, offset: int) -> tuple[list[Task], int | None]:
        """A page of tasks, the newest first, and their number (None as for `StudyManagement.deletions`)."""

    def uploads(self, task: Task) -> list[Upload]:
        """The files that are still kept, in their order."""

    def report(self, task: Task, progress: Progress) -> Task:
        """Report progress since `task`, which is as it was last read or reported.

        `Interrupted` when another worker has reported meanwhile: the items of both, added up, would hide some
        that neither has done.
        """

    def finish(self, task: Task, status: Status, message: str) -> None:
        """`message`: for the user, such as why it failed."""

    def release(self, task: Task) -> None:
        """Give up its files, whose bytes the sweep may then remove."""


class Cache(Protocol):
    """Files that can be made again from an object's bytes, kept for a while within a limit."""

    def get(self, organization: int, address: str, key: str, seconds: float) -> bytes | None:
        """The data put at most `seconds` ago, unless it was evicted or is damaged."""

    def put(self, organization: int, address: str, key: str, data: bytes) -> None:
        """`address`: the object's; `key`: what was made of it. No error when the disk is full or fails."""

    def forget(self, organization: int, address: str) -> None:
        """Remove all that was made of the object."""

    def count(self, organization: int, hit: bool) -> None:
        """Count a hit or a miss."""

    def statistics(self, organization: int) -> CacheStatistics:
        """Of all processes of this node."""


class ApplicationEntities(Protocol):
    """The registered DICOM peers."""

    def find(self, title: str) -> ApplicationEntity | None:
        """AE titles are unique in an installation; the registration names the organisation."""

    def all(self) -> list[ApplicationEntity]:
        """Of all organisations, by title."""


class Jobs(Protocol):
    """The jobs of an organisation, for its administrators."""

    def page(
        self, organization: int, state: JobState | None, limit: int, offset: int
    ) -> tuple[list[ListedJob], int | None]:
        """A page of jobs, the oldest first, and their number (None as for `StudyManagement.deletions`)."""

    def retry(self, actor: Actor, number: int) -> bool:
        """Retry a failed job now with all its attempts; False when there is no such job."""

    def drop(self, actor: Actor, state: JobState) -> int:
        """Remove the organisation's jobs in this state; returns how many."""


class JobQueue(Protocol):
    """Durable jobs, each claimed by one worker at a time, under a lease."""

    def claim(self, worker: str, lease: timedelta) -> ClaimedJob | None:
        """One job that is due, or whose worker let its lease run out; None when there is none."""

    def renew(self, job: ClaimedJob, lease: timedelta) -> bool:
        """False when another worker has taken it over."""

    def complete(self, job: ClaimedJob) -> None:
        """Remove it. Like `retry` and `fail`, without effect when another worker has taken it over."""

    def retry(self, job: ClaimedJob, at: datetime, error: str) -> None:
        """Make it due again at `at`, with the attempts that `job` counts."""

    def fail(self, job: ClaimedJob, error: str) -> None:
        """Keep it for an administrator to retry or to drop."""


class Accounts(Protocol):
    """Users, their sessions, and failed sign-ins."""

    def credentials(self, email: str) -> Credentials | None:
        """The user with this address, active or not; None when there is none."""

    def session(self, number: str) -> Session | None:
        """A session that was not ended, of an active user; it may have expired."""

    def open_session(self, actor: Actor, session: Session) -> None:
        """Audited as `login` or `token.create`."""

    def end_session(self, actor: Actor, number: str) -> None:
        """Its token is invalid from then on, on every node. Audited as `logout`."""

    def set_password(self, actor: Actor, user: int, password_hash: str, keep: str) -> None:
        """Also ends all sessions of the user except `keep`."""

    def attempt(self, email: str, address: str) -> Attempts:
        """Count a sign-in before its outcome is known. Atomic over all nodes."""

    def forgive(self, email: str, address: str) -> None:
        """Forget the attempts, as one of them has succeeded."""
