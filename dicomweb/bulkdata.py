"""Retrieve Bulkdata (PS3.18 §10.4.1.1.5): one value that the metadata refers to by BulkDataURI.

A single value supports `Range`, for seeking in video and resuming downloads. Compressed pixel data is
answered as frames.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from dicomweb import multipart
from dicomweb.frame_types import COMPRESSED
from dicomweb.frames import RetrieveFrames
from dicomweb.multipart import PartHead
from dicomweb.paths import path_of
from pacs.archive import Archive
from pacs.bulk import BulkValue, bulk_value
from pacs.dicom.dictionary import PIXEL_DATA
from pacs.dicom.frames import FrameIndex
from pacs.dicom.json import Path
from pacs.dicom.transfer_syntaxes import VIDEO
from pacs.framing import frame_index_of
from pacs.http.accept import OCTETS, Offer, acceptable, choose
from pacs.http.byte_range import ranged_answer
from pacs.http.conditional import entity_tag, is_known, revalidated
from pacs.http.dicomweb_urls import instance_url
from pacs.http.origin import origin
from pacs.http.resource import Resource, actor
from pacs.http.streaming import Pieces, body_answer, closing
from pacs.http.viewings import retrieved
from pacs.model import StoredInstance
from pacs.prepared import bulk_path, parse_bulk_path
from pacs.rights import Right
from pacs.transcoding import Transcoder

PATH = "/studies/{study}/series/{series}/instances/{sop}/bulkdata/{value:path}"

DOCUMENTS = frozenset(
    {
        "application/pdf", "text/xml", "application/xml", "text/plain",
        "model/stl", "application/sla", "model/obj", "model/mtl", "model/gltf-binary",
    }
)  # fmt: skip
"""Media types of documents that are served as such; any other is served as octets, so that no browser
interprets it."""
SHOWN = {
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Security-Policy": "default-src 'none'; object-src 'self'; media-src 'self'; "
    "style-src 'unsafe-inline'; frame-ancestors 'self'",
}
"""For documents that the browser's own viewer shows inside our pages."""


def resources(archive: Archive, transcoder: Transcoder, root: str) -> list[Resource]:
    """`root`: where they are mounted."""
    endpoint = RetrieveBulkdata(archive, RetrieveFrames(archive, transcoder), root)
    return [Resource(PATH, endpoint.answer, Right.READ)]


@dataclass(frozen=True, slots=True)
class RetrieveBulkdata:
    archive: Archive
    frames: RetrieveFrames
    root: str

    def answer(self, request: Request) -> Response:
        path, value = path_of(request), parse_bulk_path(request.path_params["value"])
        instance = next(self.archive.retrieve(actor(request), path.study, path.series, path.sop))
        url = instance_url(origin(request) + self.root, instance.identity)
        if index := images(instance, value):
            return self.frames.frames(request, instance, range(1, len(index) + 1), f"{url}/frames/")
        with ExitStack() as opened:
            found = bulk_value(opened.enter_context(self.archive.header(instance)), value)
            offer = choose(acceptable(request), _offers(instance, found))
            address = f"{url}/bulkdata/{bulk_path(value)}"
            return self._send(request, _Representation(instance, found, value, offer, address), opened)

    def _send(self, request: Request, representation: _Representation, opened: ExitStack) -> Response:
        value, headers, kind = representation.value, representation.headers, representation.offer.media_type
        self._record(request, representation)
        if is_known(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        if representation.offer.multipart:
            head = PartHead(kind, value.size, representation.address)
            boundary = multipart.boundary(headers["ETag"])
            body = multipart.encoded([(head, value.pieces(0, value.size))], boundary)
            size = multipart.length([head], boundary)
            body = closing(opened.pop_all(), body)
            return body_answer(body, multipart.content_type(kind, boundary), size, headers=headers)

        def pieces(start: int, stop: int) -> Pieces:
            return closing(opened.pop_all(), value.pieces(start, stop))

        return ranged_answer(request, pieces, value.size, kind, headers)

    def _record(self, request: Request, representation: _Representation) -> None:
        study, element = representation.instance.identity.study_instance_uid, bulk_path(representation.path)
        retrieved(request, self.archive, study, level="BULKDATA", element=element)


def images(instance: StoredInstance, value: Path) -> FrameIndex | None:
    """The frames, when `value` is compressed pixel data other than a single stream."""
    if len(value) > 1 or value[0] not in PIXEL_DATA or instance.transfer_syntax in VIDEO:
        return None
    if instance.frames is None:
        return None
    index = frame_index_of(instance)
    return index if index.encapsulated else None


OFFERS = tuple(
    Offer(kind, multipart)
    for multipart in (False, True)
    for kind in (OCTETS, *sorted(DOCUMENTS), *dict.fromkeys(COMPRESSED.values()))
)
"""Whatever the value is."""


def _offers(instance: StoredInstance, value: BulkValue) -> list[Offer]:
    """The value's own media type before octets, single part before multipart."""
    known = value.media_type if value.media_type in DOCUMENTS else ""
    if value.encapsulated:
        known = COMPRESSED.get(instance.transfer_syntax, "")
    kinds = [kind for kind in (known, OCTETS) if kind]
    return [Offer(kind, multipart) for multipart in (False, True) for kind in kinds]


@dataclass(frozen=True, slots=True)
class _Representation:
    instance: StoredInstance
    value: BulkValue
    path: Path
    offer: Offer
    address: str

    @property
    def headers(self) -> dict[str, str]:
        tag = entity_tag(self.instance.blob.address, self.path, self.offer, self.address)
        shown = self.offer.media_type == "application/pdf" or self.offer.media_type.startswith("video/")
        return {**revalidated(tag), **(SHOWN if shown else {})}
