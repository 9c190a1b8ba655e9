"""Retrieve Bulkdata of a whole study, series or instance (PS3.18 §10.4.1.1.5): one part for each value.

The Content-Location of a part is the BulkDataURI of the metadata. Compressed pixel data is sent as its
stored frames. An object that cannot be read does not hide the others: all are read before the first part is
sent, so that the answer says whether any is left out (206 and a Warning, PS3.18 §10.4.3.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

import structlog
from starlette.requests import Request
from starlette.responses import Response

from dicomweb import multipart
from dicomweb.bulkdata import images
from dicomweb.frame_types import COMPRESSED
from dicomweb.multipart import Part, PartHead
from dicomweb.paths import EACH_LEVEL, path_of
from dicomweb.warning import left_out, warning
from pacs.archive import Archive
from pacs.bulk import BulkValue, bulk_value
from pacs.dicom.header import Element
from pacs.dicom.json import Path, json_text
from pacs.dicom.reader import Header
from pacs.errors import Damaged, InvalidDataSet
from pacs.http.accept import OCTETS, Offer, acceptable, choose
from pacs.http.dicomweb_urls import instance_url
from pacs.http.origin import origin
from pacs.http.resource import Resource, actor
from pacs.http.streaming import Streamed
from pacs.http.viewings import retrieved
from pacs.model import StoredInstance
from pacs.prepared import bulk_path
from pacs.rights import Right

log = structlog.get_logger(__name__)

OFFERS = (Offer(OCTETS, multipart=True),)


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
        choose(acceptable(request), OFFERS)
        found = self.archive.retrieve(who, path.study, path.series, path.sop)
        service = origin(request) + self.root
        plan = self._planned(found, service)
        retrieved(request, self.archive, path.study, level=path.level, form="bulkdata")
        if not plan.instances:
            return Response(status_code=204)
        boundary = multipart.new_boundary()
        parts = chain.from_iterable(self._parts(instance, service) for instance in plan.instances)
        body = multipart.encoded(parts, boundary)
        kind = multipart.content_type(OCTETS, boundary)
        return Streamed(body, kind, status=plan.status, headers=plan.headers(service))

    def _planned(self, found: Iterable[StoredInstance], service: str) -> _Plan:
        plan = _Plan()
        for instance in found:
            plan.seen += 1
            try:
                if sum(1 for _ in self._parts(instance, service)):
                    plan.instances.append(instance)
            except (Damaged, InvalidDataSet) as error:
                plan.left_out += 1
                uid = instance.identity.sop_instance_uid
                log.error("bulk data cannot be read", sop_instance_uid=uid, reason=type(error).__name__)
        if plan.left_out and not plan.instances:
            raise Damaged(f"the bulk data of {plan.left_out} instances cannot be read")
        return plan

    def _parts(self, instance: StoredInstance, service: str) -> Iterator[Part]:
        url = instance_url(service, instance.identity)
        with self.archive.header(instance) as header:
            for path in bulk_paths(header):
                yield from _values(instance, header, path, url)


@dataclass(slots=True)
class _Plan:
    """`instances`: those with bulk data that can be read."""

    instances: list[StoredInstance] = field(default_factory=list)
    seen: int = 0
    left_out: int = 0

    @property
    def status(self) -> int:
        return 206 if self.left_out else 200

    def headers(self, service: str) -> dict[str, str]:
        if not self.left_out:
            return {}
        return warning(service, left_out(self.left_out, self.seen, "instances", "they cannot be read"))


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
