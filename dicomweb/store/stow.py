"""STOW-RS: the Store transaction (PS3.18 §10.5).

Each instance is stored or refused by itself, and the answer says which. An instance reported as stored
is durable; an incomplete part leaves nothing behind.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from dicomweb.native_model import to_xml
from dicomweb.store.file_sink import FileSink, RefusingSink
from dicomweb.store.media_type import MediaType, media_type
from dicomweb.store.metadata import READERS, Task, take_in
from dicomweb.store.report import TRY_AGAIN, Refused, Result, data_set, http_status
from pacs.actor import Actor
from pacs.archive import Archive
from pacs.errors import BadInput, UnsupportedMediaType
from pacs.http import accept
from pacs.http.intake import Intake, IntakePool, chunks, feed
from pacs.http.multipart_reader import MalformedMultipart, MultipartReader, PartBegins
from pacs.http.origin import origin
from pacs.http.problems import RETRY_AFTER
from pacs.http.resource import Resource, actor
from pacs.ingest import is_uid
from pacs.rights import Right

log = structlog.get_logger(__name__)

DICOM = "application/dicom"
XML = accept.Offer("application/dicom+xml")
OFFERS = (accept.Offer("application/dicom+json"), XML, accept.Offer("application/json"))
_DICOM_NAMES = frozenset({DICOM, "application/octet-stream", "application/x-dicom", ""})
"""Media types that senders use for a PS3.10 file."""


def resources(archive: Archive, root: str) -> list[Resource]:
    store = _Store(archive, root, IntakePool())
    return [
        Resource("/studies", store.instances, Right.STORE, ("POST",)),
        Resource("/studies/{study}", store.instances, Right.STORE, ("POST",)),
    ]


@dataclass(frozen=True, slots=True)
class _Store:
    archive: Archive
    root: str
    pool: IntakePool

    async def instances(self, request: Request) -> Response:
        study = request.path_params.get("study", "")
        if study and not is_uid(study):
            raise BadInput("the Study Instance UID in the path is malformed")
        answer = accept.choose(accept.acceptable(request), OFFERS)
        try:
            with self.pool.request():
                results = await self._take_in(request, study)
        except ClientDisconnect:
            log.info("client disconnected during a store request")
            return Response(status_code=400)  # reaches nobody
        if not results:
            raise BadInput("the request contains no instances")
        if refused := [result for result in results if isinstance(result, Refused)]:
            await self.pool.run(self._record_refused, actor(request), study, refused)
        report = data_set(results, origin(request) + self.root)
        body = to_xml(report) if answer is XML else orjson.dumps(report)
        status = http_status(results)
        headers = {"Retry-After": str(RETRY_AFTER)} if status in TRY_AGAIN else None
        return Response(body, status, headers, media_type=answer.media_type)

    async def _take_in(self, request: Request, study: str) -> list[Result]:
        sender, kind = actor(request), media_type(request.headers.get("content-type", ""))
        async with Intake(self.pool) as intake:
            if kind.name == DICOM:
                return await _single(request, intake, FileSink(self.archive, sender, study))
            root_type = _root_type(kind)
            reader = MultipartReader(kind.parameters.get("boundary", ""))
            if root_type in READERS:
                task = Task(self.archive, sender, study, root_type)
                return await take_in(request, reader, task, self.pool)
            try:
                await feed(request, reader, intake, lambda part: self._sink(part, root_type, sender, study))
            except MalformedMultipart as error:
                return await _broken_off(intake, error)
            return await intake.results()

    def _sink(self, part: PartBegins, root_type: str, sender: Actor, study: str) -> FileSink | RefusingSink:
        name = media_type(part.headers.get("content-type", root_type)).name
        if name in _DICOM_NAMES:
            return FileSink(self.archive, sender, study)
        return RefusingSink(UnsupportedMediaType(f"a part of type {name} is not an instance"))

    def _record_refused(self, sender: Actor, study: str, refused: list[Refused]) -> None:
        """Stored instances are audited by the archive itself."""
        uids = [result.sop_instance_uid for result in refused if is_uid(result.sop_instance_uid)]
        codes = sorted({result.error.code for result in refused})
        self.archive.record(
            sender, "store", "failure", study, instances=uids, refused=len(refused), codes=codes
        )


async def _single(request: Request, intake: Intake, sink: FileSink) -> list[Result]:
    """The whole body is one instance (PS3.18 §8.6.1.1)."""
    intake.begin(sink)
    empty = True
    async for chunk in chunks(request):
        empty = False
        if not await intake.data(chunk):
            break
    if empty:
        return []
    await intake.end()
    return await intake.results()


async def _broken_off(intake: Intake, error: MalformedMultipart) -> list[Result]:
    """A body that is malformed at some point: the parts complete before that keep their results."""
    await intake.abandon()
    results: list[Result] = await intake.results()
    if not results:
        raise error
    return [*results, Refused(error)]


def _root_type(kind: MediaType) -> str:
    """The type of parts without Content-Type (RFC 2387 §3.1). `UnsupportedMediaType` for other bodies."""
    if kind.name != accept.MULTIPART:
        raise UnsupportedMediaType("send a store request as multipart/related or application/dicom")
    root_type = media_type(kind.parameters.get("type", DICOM)).name
    if root_type not in _DICOM_NAMES and root_type not in READERS:
        raise UnsupportedMediaType(f"instances as {root_type} are not supported")
    return root_type
