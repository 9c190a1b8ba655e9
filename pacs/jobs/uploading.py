"""The job that stores the files of an upload, one by one, and reports its progress.

It may be interrupted anywhere: when it runs again it skips the items reported as done, and stores
those again that were stored but not yet reported, which is harmless: an identical object is a duplicate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO

from pacs.archive import Archive
from pacs.capture import as_capture
from pacs.dicom.part10 import HEAD, read_part10
from pacs.dicom.reader import read_header
from pacs.dicom.source import ReadAhead
from pacs.errors import BadInput, Damaged, FileTooLarge, PacsError, Unavailable
from pacs.ingest import identity
from pacs.jobs.job import ClaimedJob, Interrupted
from pacs.jobs.progress import Done, ProgressReporter
from pacs.jobs.tasks import FORM_ATTRIBUTES, Failure, Status, Task, Upload
from pacs.pixels.photo import is_picture, read_picture
from pacs.ports import BlobReader, Tasks
from pacs.receiving import ReceivingFile
from pacs.subject import FormAttributes, capture_context, instance_uid
from pacs.uploaded_file import READ_ERRORS, Member, UploadedFile, is_instance

AT_ONCE = 4
"""Items that are committed concurrently: they share the waits for the disk."""
CHUNK = 1 << 20
MAX_PICTURE = 64 << 20  # bytes
MAX_NAME = 255
"""Characters of an item's name that are reported."""


def instance_of(archive: Archive, task: Task, file: Upload) -> str | None:
    """The SOP Instance UID of an upload's only file, before the job runs; None when it is no instance."""
    try:
        with archive.blobs.open(file.blob.address) as reader:
            if is_picture(reader.read_at(0, HEAD)):
                return instance_uid(task, 0)
            part10 = read_part10(reader, archive.limits)
            header = read_header(
                ReadAhead(reader), part10.transfer_syntax, part10.dataset_offset, archive.limits
            )
            return identity(header).sop_instance_uid
    except (BadInput, Damaged):  # swept already, or the job says what is wrong with it
        return None


Result = Future[Done | Failure]


def _unpacked(reader: BlobReader) -> Iterator[Member]:
    return UploadedFile(reader, reader.size).members()


def _nothing_else(task: Task) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class StoreUpload:
    """Handler of `upload` jobs. `stopping`: whether this worker is about to end.

    `at_once`: items in flight; 1 keeps their order, as versions need. `members`: the items of a file.
    `on_complete`: what else belongs to the task, done before it is reported as complete; returns why the task
    has failed all the same, empty if it has not.
    """

    archive: Archive
    tasks: Tasks
    stopping: Callable[[], bool] = lambda: False
    at_once: int = AT_ONCE
    members: Callable[[BlobReader], Iterator[Member]] = _unpacked
    on_complete: Callable[[Task], str] = _nothing_else

    def __call__(self, job: ClaimedJob) -> None:
        task = self.tasks.get(job.organization, job.payload["task"])
        if task is None:
            return
        if task.status is not Status.COMPLETED:  # a failed one may be retried, so its files are kept
            try:
                _Storing(self, job, task).run()
            except (Unavailable, Interrupted):
                raise  # not a fault of the upload: the worker tries again later
            except Exception:
                if job.attempt >= job.max_attempts:
                    self.tasks.finish(task, Status.FAILED, "failed repeatedly; see the server's log")
                raise
        self.tasks.release(task)


class _Storing:
    """One run of the job."""

    def __init__(self, handler: StoreUpload, job: ClaimedJob, task: Task) -> None:
        self._handler = handler
        self._archive = handler.archive
        self._job = job
        self._task = task
        self._progress = ProgressReporter(handler.tasks, task)

    def run(self) -> None:
        """`Interrupted` when this worker ends, or has lost its lease, before the last item."""
        whole = self._store_items()
        task, handler = self._progress.report(), self._handler
        if not whole:
            raise Interrupted
        why = handler.on_complete(task)
        handler.tasks.finish(task, Status.FAILED if why else Status.COMPLETED, why)

    def _store_items(self) -> bool:
        """False when interrupted. What is counted as done has no gaps, as items are counted in order."""
        at_once, whole = self._handler.at_once, True
        pending = deque[Result]()
        with ThreadPoolExecutor(at_once, thread_name_prefix="upload") as pool:
            for position, (name, item) in enumerate(self._items()):
                if self._handler.stopping() or not self._job.is_held():
                    whole = False
                    break
                if position >= self._task.done:
                    pending.append(self._begin(pool, position, name, item))
                while len(pending) > at_once or (pending and pending[0].done()):
                    self._progress.count(pending.popleft().result())
            while pending:
                self._progress.count(pending.popleft().result())
        return whole

    def _items(self) -> Iterator[tuple[str, Member | PacsError]]:
        """Every member with its name, in the same order on every run."""
        for upload in self._handler.tasks.uploads(self._task):
            try:
                with self._archive.blobs.open(upload.blob.address) as reader:
                    for member in self._handler.members(reader):
                        yield _display_name(upload.name, member), member
            except Unavailable:
                raise
            except PacsError as error:
                yield upload.name, error

    def _begin(self, pool: ThreadPoolExecutor, position: int, name: str, item: Member | PacsError) -> Result:
        """Reads the item in this thread, as archives are read in order; the pool stores it."""
        if isinstance(item, PacsError):
            return _known(_failure(name, item))
        try:
            with item.open() as file:
                receiving = self._read(file, position, alone=not item.name)
        except Unavailable:
            raise
        except PacsError as error:
            return _known(_failure(name, error))
        except READ_ERRORS as error:
            return _known(Failure(name, BadInput.code, f"cannot be read ({type(error).__name__})"))
        return _known(Done.SKIPPED) if receiving is None else pool.submit(_commit, receiving, name)

    def _read(self, file: IO[bytes], position: int, *, alone: bool) -> ReceivingFile | None:
        """None for a file that is not DICOM, except when it is the whole upload (`alone`): then it is an
        error, or a picture to convert."""
        head = file.read(HEAD)
        if not alone and not is_instance(head, self._archive.limits):
            return None
        pieces = self._captured(head, file, position) if alone and is_picture(head) else _pieces(head, file)
        receiving = self._archive.receive_file(self._task.actor, self._task.study_instance_uid or "")
        try:
            for piece in pieces:
                receiving.write(piece)
        except BaseException:
            receiving.__exit__(None, None, None)
            raise
        return receiving

    def _captured(self, head: bytes, file: IO[bytes], position: int) -> Iterator[bytes]:
        data = head + file.read(MAX_PICTURE + 1 - len(head))
        if len(data) > MAX_PICTURE:
            raise FileTooLarge(f"a picture has at most {MAX_PICTURE} bytes")
        attributes: FormAttributes = self._job.payload.get(FORM_ATTRIBUTES, {})
        context = capture_context(self._archive.index, self._task, attributes, position)
        return as_capture(read_picture(data), context)


def _display_name(upload: str, member: Member) -> str:
    """A displayable name: those in archives may have any length and need not be valid text."""
    name = f"{upload}/{member.name}" if member.name else upload
    return name[:MAX_NAME].encode("utf-8", "replace").decode()


def _pieces(head: bytes, file: IO[bytes]) -> Iterator[bytes]:
    while head:
        yield head
        head = file.read(CHUNK)


def _commit(receiving: ReceivingFile, name: str) -> Done | Failure:
    with receiving:
        try:
            receiving.commit()
        except Unavailable:
            raise
        except PacsError as error:
            return _failure(name, error)
    return Done.PROCESSED


def _failure(name: str, error: PacsError) -> Failure:
    return Failure(name, error.code, str(error))


def _known(outcome: Done | Failure) -> Result:
    result: Result = Future()
    result.set_result(outcome)
    return result
