"""Retrieve Pixel Data of a study, series or instance (PS3.18 §10.4.1.1.6): one part for each frame.

An instance that is lost, or cannot be sent in any accepted form, is left out; the answer says so by 206 and a
Warning (PS3.18 §10.4.3.1). Where one proves damaged once the answer has begun, a note replaces each frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from dicomweb import multipart
from dicomweb.frames import AskedFrames, RetrieveFrames
from dicomweb.multipart import Part
from dicomweb.paths import EACH_LEVEL, path_of
from dicomweb.unreadable import LOST, note, readable, replaced, report
from dicomweb.warning import left_out, warning
from pacs.archive import Archive
from pacs.errors import Damaged, NotAcceptable, NotFound
from pacs.framing import frame_index_of
from pacs.http.accept import MediaRange, acceptable
from pacs.http.dicomweb_urls import instance_url
from pacs.http.origin import origin
from pacs.http.resource import Resource, actor
from pacs.http.streaming import Streamed
from pacs.http.threads import pool_of_slow_requests
from pacs.http.viewings import retrieved
from pacs.model import StoredInstance
from pacs.rights import Right
from pacs.transcoding import Transcoder


def resources(archive: Archive, transcoder: Transcoder, root: str) -> list[Resource]:
    """`root`: where they are mounted."""
    pool = pool_of_slow_requests("pixeldata")  # frames may have to be decoded
    endpoint = pool.endpoint(RetrievePixelData(RetrieveFrames(archive, transcoder), root).answer)
    return [Resource(f"{path}/pixeldata", endpoint, Right.READ) for path in EACH_LEVEL]


@dataclass(frozen=True, slots=True)
class RetrievePixelData:
    """All three levels."""

    frames: RetrieveFrames
    root: str

    def answer(self, request: Request) -> Response:
        path, service = path_of(request), origin(request) + self.root
        archive = self.frames.archive
        found = archive.retrieve(actor(request), path.study, path.series, path.sop)
        if path.sop is not None:
            instance = next(found)
            numbers = range(1, len(frame_index_of(instance)) + 1)
            return self.frames.frames(request, instance, numbers, _frames_of(service, instance))
        here, lost = readable(archive, found)
        plan = self._planned(here, tuple(acceptable(request)))
        if lost:
            plan.left_out, plan.reason = plan.left_out + lost, plan.reason or LOST
        retrieved(request, archive, path.study, level=path.level, form="pixeldata")
        boundary = multipart.new_boundary()
        kind = multipart.content_type(plan.asked[0].offer.media_type, boundary)
        body = multipart.encoded(self._parts(plan.asked, service), boundary)
        return Streamed(body, kind, status=206 if plan.left_out else 200, headers=plan.headers(service))

    def _parts(self, every: Sequence[AskedFrames], service: str) -> Iterator[Part]:
        damaged = 0
        for asked in every:
            here, sent = _frames_of(service, asked.instance), 0
            try:
                for part in self.frames.parts(asked, here, begun=True):
                    yield part
                    sent += 1
            except Damaged as error:
                damaged += 1
                report(asked.instance, error)
                if damaged == len(every):
                    raise
                for number in asked.numbers[sent:]:
                    yield replaced(asked.head(number, here), note(asked.instance))

    def _planned(self, found: Iterable[StoredInstance], ranges: Sequence[MediaRange]) -> _Plan:
        plan = _Plan()
        for instance in found:
            if instance.frames is None:
                continue
            try:
                plan.asked.append(self.frames.every(instance, ranges))
            except NotAcceptable as error:
                plan.left_out, plan.reason = plan.left_out + 1, str(error)
        if plan.left_out and not plan.asked:
            raise NotAcceptable(plan.reason)
        if not plan.asked:
            raise NotFound("there is no pixel data")
        return plan


def _frames_of(service: str, instance: StoredInstance) -> str:
    return f"{instance_url(service, instance.identity)}/frames/"


@dataclass(slots=True)
class _Plan:
    asked: list[AskedFrames] = field(default_factory=list)
    left_out: int = 0
    reason: str = ""

    def headers(self, service: str) -> dict[str, str]:
        if not self.left_out:
            return {}
        total = self.left_out + len(self.asked)
        return warning(service, left_out(self.left_out, total, "instances", self.reason))
