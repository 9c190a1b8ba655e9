"""Uploads: files come in as `multipart/form-data`, are kept, and taken in by a job that can be followed.

When the answer goes out, every file lies safe and the task is written down: what happens to the
server then only delays it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from pacs.errors import BadInput, LimitExceeded, NotFound, PacsError, UnsupportedMediaType
from pacs.http.answers import answer, listing
from pacs.http.described import BINARY, LISTING, OBJECT, Described, answers_json, describe
from pacs.http.described import PAGING as PAGED
from pacs.http.intake import Intake, Sink, Threads, feed
from pacs.http.multipart_reader import MultipartReader, PartBegins
from pacs.http.origin import origin
from pacs.http.parameters import PAGING, paging, parameters
from pacs.http.resource import Resource, actor
from pacs.http.studies import uid_in_path
from pacs.packed import Packed
from pacs.ports import Blobs, Tasks
from pacs.rights import Right
from pacs.tasks import Task, Upload

FORM = "multipart/form-data"
MAX_FILES = 10_000
MAX_NAME = 255
_FILES = {
    "type": "object",
    "required": ["files"],
    "properties": {"files": {"type": "array", "minItems": 1, "items": BINARY}},
}
_UPLOAD = Described(body={FORM: _FILES}, status=202, answers=answers_json(OBJECT))


@dataclass(frozen=True, slots=True)
class Uploads:
    blobs: Blobs
    tasks: Tasks
    root: str
    threads: Threads = field(default_factory=Threads)

    def routes(self) -> list[Resource]:
        root = self.root
        return [
            Resource(f"{root}/uploads", self.upload_files, Right.STORE, ("POST",)),
            Resource(f"{root}/studies/{{study}}/upload", self.upload_to_study, Right.STORE, ("POST",)),
            Resource(f"{root}/images/upload", self.upload_image, Right.STORE, ("POST",)),
            Resource(f"{root}/uploads/{{task}}/progress", self.show_progress, Right.READ),
            Resource(f"{root}/tasks", self.list_tasks, Right.READ),
            Resource(f"{root}/tasks/{{task}}", self.show_task, Right.READ),
        ]

    @describe(_UPLOAD)
    async def upload_files(self, request: Request) -> Response:
        """Take in any number of files of any studies: instances, ZIP and tar archives, folders."""
        return await self._upload(request, None)

    @describe(_UPLOAD)
    async def upload_to_study(self, request: Request) -> Response:
        """Take in files of one study; those of another are refused one by one."""
        return await self._upload(request, uid_in_path(request, "study"))

    @describe(_UPLOAD)
    async def upload_image(self, request: Request) -> Response:
        """Take in a single image."""
        return await self._upload(request, None)

    async def _upload(self, request: Request, study: str | None) -> Response:
        uploads = await self._received(request)
        task = await run_in_threadpool(self.tasks.upload, actor(request), study, uploads)
        where = f"{origin(request)}{self.root}/tasks/{task.id}"
        message = f"{len(uploads)} file(s) received, {task.total} item(s) to take in"
        body = {"task_id": task.id, "status": task.status, "message": message, "url": where}
        return answer(body, 202, {"Location": where})

    async def _received(self, request: Request) -> list[Upload]:
        """`BadInput` and nothing kept when one of them cannot be: an archive that is unsafe, a form that
        ends early."""
        reader = MultipartReader(_boundary(request))
        count = 0

        def sink(part: PartBegins) -> Sink:
            nonlocal count
            count += 1
            if count > MAX_FILES:
                raise LimitExceeded(f"more than {MAX_FILES} files in one request")
            name = _file_name(part)
            return _Field() if name is None else _File(self.blobs, name)

        async with Intake(self.threads) as intake:
            await feed(request, reader, intake, sink)
            results = await intake.results()
        for result in results:
            if isinstance(result, PacsError):
                raise result
        uploads = [result for result in results if isinstance(result, Upload)]
        if not uploads:
            raise BadInput("the form has no files")
        return uploads

    @describe(Described(answers=answers_json(OBJECT)))
    def show_progress(self, request: Request) -> Response:
        """How far an upload is."""
        return self.show_task(request)

    @describe(Described(answers=answers_json(OBJECT)))
    def show_task(self, request: Request) -> Response:
        """How far a task is: `progress` in per cent, and what failed."""
        task = self.tasks.get(actor(request).organization, str(request.path_params["task"]))
        if task is None:
            raise NotFound
        return answer(_shape(task))

    @describe(Described(PAGED, answers=answers_json(LISTING)))
    def list_tasks(self, request: Request) -> Response:
        """The organisation's tasks, the newest first."""
        page = paging(parameters(request, PAGING))
        found, total = self.tasks.page(actor(request).organization, page.limit, page.offset)
        return listing([_shape(task) for task in found], total, page.limit, page.offset)


class _File:
    """A file on its way into the store: looked through when it is an archive, then kept as it is."""

    def __init__(self, blobs: Blobs, name: str) -> None:
        self._blobs = blobs
        self._name = name
        self._spool = blobs.spool()
        self._error: PacsError | None = None

    def write(self, data: bytes) -> None:
        if self._error is None:
            try:
                self._spool.write(data)
            except PacsError as error:
                self._error = error

    def finish(self) -> Any:
        """`Upload`, or the `PacsError` that refuses it."""
        with self._spool:
            if self._error is not None:
                return self._error
            try:
                items = Packed(self._spool, self._spool.size).check()
                return Upload(self._blobs.publish(self._spool), self._name, items)
            except PacsError as error:
                return error

    def abandon(self) -> None:
        self._spool.__exit__(None, None, None)


class _Field:
    """A form's field that is no file: of no use here."""

    def write(self, data: bytes) -> None:
        pass

    def finish(self) -> None:
        pass

    def abandon(self) -> None:
        pass


def _boundary(request: Request) -> str:
    header = Message()
    header["content-type"] = request.headers.get("content-type", "")
    if header.get_content_type() != FORM:
        raise UnsupportedMediaType(f"files are sent as {FORM}")
    return str(header.get_param("boundary") or "")


def _file_name(part: PartBegins) -> str | None:
    """None for a field that is no file. A browser's folder upload has paths here: shown, never used."""
    header = Message()
    header["content-disposition"] = part.headers.get("content-disposition", "")
    name = header.get_filename()
    if name is None:
        return None
    decoded = name.encode("latin-1", "replace").decode("utf-8", "replace")
    return "".join(letter for letter in decoded if letter.isprintable())[-MAX_NAME:] or "file"


def _shape(task: Task) -> dict[str, Any]:
    failed = [{"name": f.name, "code": f.code, "message": f.message} for f in task.failures]
    return {
        "id": task.id,
        "kind": task.kind,
        "status": task.status,
        "progress": task.progress,
        "total_items": task.total,
        "processed_items": task.processed,
        "failed_items": task.failed,
        "skipped_items": task.skipped,
        "failed": failed,
        "errors": [f"{f.name}: {f.message}" for f in task.failures],
        "message": task.message,
        "study_instance_uid": task.study_instance_uid,
        "created_at": task.created_at,
        "updated_at": task.updated_at,
    }
