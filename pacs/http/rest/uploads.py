"""Uploads: files arrive as `multipart/form-data` and are spooled; a job stores them, as a task with progress.

When the answer is sent, every file and the task are durable: a crash of the server only delays it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pacs.archive import Archive
from pacs.errors import BadInput, NotFound
from pacs.http.intake import IntakePool
from pacs.http.operation import OBJECT, Operation, answers_json, describe
from pacs.http.resource import Resource, actor, name_in_path
from pacs.http.rest.answers import accepted, answer
from pacs.http.rest.in_path import uid_in_path
from pacs.http.rest.listing import filters_and_page, listed
from pacs.http.rest.parameters import parameters
from pacs.http.rest.upload_form import FORM, SCHEMA, Form, read_form
from pacs.http.threads import REQUESTS
from pacs.jobs.tasks import Task
from pacs.jobs.uploading import instance_of
from pacs.ports import Tasks
from pacs.rights import Right

_NAMES = ("uploads", "upload-dicom-files", "upload-dicom-folder")
"""The first is ours; the others are those of systems that clients were written for."""
_UPLOAD = Operation(body={FORM: SCHEMA}, status=202, answers=answers_json(OBJECT))


@dataclass(frozen=True, slots=True)
class Uploads:
    archive: Archive
    tasks: Tasks
    root: str
    pool: IntakePool = field(default_factory=IntakePool)

    def routes(self) -> list[Resource]:
        root = self.root
        return [
            *(Resource(f"{root}/{name}", self.upload_files, Right.STORE, ("POST",)) for name in _NAMES),
            Resource(f"{root}/studies/{{study}}/upload", self.upload_to_study, Right.STORE, ("POST",)),
            Resource(f"{root}/images/upload", self.upload_image, Right.STORE, ("POST",)),
            Resource(f"{root}/studies/{{study}}/upload_images", self.upload_to_study, Right.STORE, ("POST",)),
            Resource(f"{root}/studies/{{study}}/process", self.process_study, Right.EDIT, ("POST",)),
            Resource(f"{root}/uploads/{{task}}/progress", self.show_progress, Right.READ),
            Resource(f"{root}/upload-progress/{{task}}", self.show_progress, Right.READ),
            Resource(f"{root}/tasks", self.list_tasks, Right.READ),
            Resource(f"{root}/tasks/{{task}}", self.show_task, Right.READ),
        ]

    @describe(_UPLOAD)
    async def upload_files(self, request: Request) -> Response:
        """Upload any number of files of any studies: instances, ZIP and tar archives, folders.

        JPEG and PNG files, as files of their own, become Secondary Captures of the study or the patient
        that the form's fields name.
        """
        return await self._upload(request, None)

    @describe(_UPLOAD)
    async def upload_to_study(self, request: Request) -> Response:
        """Upload files of one study; instances of another study are refused one by one.

        JPEG and PNG files become Secondary Captures of the study.
        """
        return await self._upload(request, uid_in_path(request, "study"))

    @describe(_UPLOAD)
    async def upload_image(self, request: Request) -> Response:
        """Upload a single image; `sop_instance_uid` is its UID, null when the file is no image."""
        task, form = await self._begin(request, None)
        uid = await REQUESTS.run(instance_of, self.archive, task, form.files[0])
        return accepted(request, task, sop_instance_uid=uid)

    async def _upload(self, request: Request, study: str | None) -> Response:
        task, _ = await self._begin(request, study)
        return accepted(request, task)

    async def _begin(self, request: Request, study: str | None) -> tuple[Task, Form]:
        """The task that was created, and the form that was sent."""
        with self.pool.request():
            form = await read_form(request, self.archive.blobs, self.pool)
        named = study or form.study
        if form.study not in (None, named):
            raise BadInput("study_instance_uid differs from the study in the path")
        task = await REQUESTS.run(self.tasks.upload, actor(request), named, form.files, form.attributes)
        return task, form

    @describe(Operation(status=202, answers=answers_json(OBJECT)))
    def process_study(self, request: Request) -> Response:
        """Regenerate metadata and thumbnails of a study, as a task; repeated calls return the running one."""
        parameters(request, ())
        task = self.tasks.process(actor(request), uid_in_path(request, "study"))
        return accepted(request, task)

    @describe(Operation(answers=answers_json(OBJECT)))
    def show_progress(self, request: Request) -> Response:
        """The progress of an upload."""
        return self.show_task(request)

    @describe(Operation(answers=answers_json(OBJECT)))
    def show_task(self, request: Request) -> Response:
        """The state of a task: `progress` in per cent, and the failures."""
        task = self.tasks.get(actor(request).organization, name_in_path(request, "task"))
        if task is None:
            raise NotFound
        return answer(_shape(task))

    @describe(listed())
    def list_tasks(self, request: Request) -> Response:
        """The organisation's tasks, the newest first."""
        _, page = filters_and_page(request)
        found, total = self.tasks.page(actor(request).organization, page.limit, page.offset)
        return page.answer([_shape(task) for task in found], total)


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
