"""Retrieve Bulkdata of a whole study, series or instance (PS3.18 §10.4.1.1.5): one part for each value.

The Content-Location of a part is the BulkDataURI of the metadata. Compressed pixel data is sent as its
stored frames. An object that cannot be read is skipped, so that it does not hide the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import structlog
from starlette.requests import Request
from starlette.responses import Response

from dicomweb import multipart
from dicomweb.bulkdata import images
from dicomweb.frame_types import COMPRESSED
from dicomweb.multipart import Part, PartHead
from dicomweb.paths import EACH_LEVEL, instance_url, path_of
from pacs.archive import Archive
from pacs.bulk import BulkValue, bulk_value
from pacs.dicom.header import Element
from pacs.dicom.json import Path, json_text
from pacs.dicom.reader import Header
from pacs.errors import Damaged, InvalidDataSet
from pacs.http.accept import OCTETS, Offer, acceptable, choose
from pacs.http.origin import origin
from pacs.http.resource import Resource, actor
from pacs.http.streaming import Streamed
from pacs.http.viewings import retrieved
from pacs.model import StoredInstance
from pacs.prepared import bulk_path
from pacs.rights import Right

log = structlog.get_logger(__name__)


def resources(archive: Archive, root: str) -> list[Resource]:
    """`root`: where they are mounted."""
    endpoint = RetrieveAllBulkdata(archive, root)
    return [Resource(f"{path}/bulkdata", endpoint.answer, Right.READ) for path in EACH_LEVEL]


@dataclass(frozen=True, slots=True)
class RetrieveAllBulkdata:
    """All three levels."""

    archive: Archive
    root: str

    def answer(self, request: Request) -> Response:
        path, who = path_of(request), actor(request)
        choose(acceptable(request), [Offer(OCTETS, multipart=True)])
        instances = self.archive.retrieve(who, path.study, path.series, path.sop)
        retrieved(request, self.archive, path.study, level=path.level, form="bulkdata")
        parts = self._parts(instances, origin(request) + self.root)
        first = next(parts, None)
        if first is None:
            return Response(status_code=204)
        boundary = multipart.new_boundary()
        body = multipart.encoded(chain((first,), parts), boundary)
        return Streamed(body, multipart.content_type(OCTETS, boundary))

    def _parts(self, instances: Iterable[StoredInstance], service: str) -> Iterator[Part]:
        for instance in instances:
            url = instance_url(service, instance.identity)
            try:
                with self.archive.header(instance) as header:
                    for path in bulk_paths(header):
                        yield from _values(instance, header, path, url)
            except (Damaged, InvalidDataSet) as error:
                uid = instance.identity.sop_instance_uid
                log.error("bulk data cannot be read", sop_instance_uid=uid, reason=type(error).__name__)


def bulk_paths(header: Header) -> list[Path]:
    """The paths of the values that the metadata refers to by BulkDataURI."""
    found = list[Path]()

    def note(path: Path, element: Element) -> None:
        found.append(path)

    json_text(header, note)
    return found


def _values(instance: StoredInstance, header: Header, path: Path, url: str) -> Iterator[Part]:
    syntax = instance.transfer_syntax
    if index := images(instance, path):
        kind = f"{COMPRESSED.get(syntax, OCTETS)}; transfer-syntax={syntax}"
        for frame in range(len(index)):
            value = BulkValue(header.source, tuple(index.ranges(frame)))
            head = PartHead(kind, value.size, f"{url}/frames/{frame + 1}")
            yield head, value.pieces(0, value.size)
        return
    value = bulk_value(header, path)
    kind = COMPRESSED.get(syntax, OCTETS) if value.encapsulated else OCTETS
    yield PartHead(kind, value.size, f"{url}/bulkdata/{bulk_path(path)}"), value.pieces(0, value.size)
