"""Retrieve a study, a series or an instance as DICOM files (PS3.18 §10.4): in parts, alone, or zipped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain

from starlette.requests import Request
from starlette.responses import Response

from dicomweb import multipart, zipped
from dicomweb.multipart import PartHead
from dicomweb.paths import EACH_LEVEL, Path, path_of
from dicomweb.retrieval import DEFAULT, Plan, Preference, Progress, Retrieval, named, plan, preferences
from dicomweb.unreadable import LOST, readable
from dicomweb.warning import left_out, warning
from pacs.archive import Archive
from pacs.http.accept import AS_STORED, DICOM, ZIP, MediaRange, Offer, acceptable, choose, takes
from pacs.http.byte_range import ranged_answer
from pacs.http.conditional import entity_tag, is_known, revalidated
from pacs.http.origin import origin
from pacs.http.resource import Resource, actor
from pacs.http.streaming import Pieces, body_answer, sliced
from pacs.http.threads import pool_of_slow_requests
from pacs.model import StoredInstance
from pacs.rights import Right
from pacs.transcoding import Transcoder

IN_PARTS, ALONE, ZIPPED = Offer(DICOM, multipart=True), Offer(DICOM), Offer(ZIP)


def resources(archive: Archive, transcoder: Transcoder, root: str) -> list[Resource]:
    """`root`: where they are mounted."""
    pool = pool_of_slow_requests("retrieve")  # an instance may have to be converted
    endpoint = pool.endpoint(RetrieveDicom(archive, transcoder, root).answer)
    return [Resource(path, endpoint, Right.READ) for path in EACH_LEVEL]


@dataclass(frozen=True, slots=True)
class RetrieveDicom:
    """All three levels."""

    archive: Archive
    transcoder: Transcoder
    root: str

    def answer(self, request: Request) -> Response:
        path = path_of(request)
        offer, preferred = _negotiated(tuple(acceptable(request)), path.sop is not None)
        found = self.archive.retrieve(actor(request), path.study, path.series, path.sop)
        return self.sent(request, path, found, offer, preferred)

    def sent(
        self,
        request: Request,
        path: Path,
        found: Iterable[StoredInstance],
        offer: Offer,
        preferred: Sequence[Preference],
    ) -> Response:
        """What was `found` at `path`."""
        retrieval = Retrieval(self.archive, self.transcoder, actor(request), request.method == "HEAD")
        here, lost = readable(self.archive, found) if path.sop is None else (found, 0)
        planned = plan(retrieval.files(here), preferred, self.transcoder.codecs.decodable)
        if lost:
            reason = planned.reason or LOST
            planned = replace(planned, left_out=planned.left_out + lost, reason=reason)
        progress = Progress(path.study, path.level, str(offer), len(planned.instances))
        transfer = _Transfer(
            request, origin(request) + self.root, retrieval, planned, progress, _tag(planned, offer)
        )
        if transfer.tag and is_known(request, transfer.tag):
            retrieval.known(progress)
            return Response(status_code=304, headers=revalidated(transfer.tag))
        return _ANSWERS[offer](transfer)


@lru_cache(maxsize=256)
def _negotiated(ranges: Sequence[MediaRange], single: bool) -> tuple[Offer, Sequence[Preference]]:
    """Cached: instance after instance is requested in the same way."""
    offer = choose(ranges, (IN_PARTS, ALONE, ZIPPED) if single else (IN_PARTS, ZIPPED))
    taking = [each for each in ranges if takes(each, offer)]
    if offer is ZIPPED and not any(each.syntaxes for each in taking):
        return offer, [Preference(frozenset({AS_STORED}))]  # unless a transfer syntax was named
    return offer, preferences(taking) or [DEFAULT]


def _tag(planned: Plan, offer: Offer) -> str:
    """The entity tag; empty when something is left out or converted, as an update may change the result."""
    if planned.left_out or any(each.size is None for each in planned.instances):
        return ""
    return entity_tag(offer, *((each.instance.blob.address, each.file.header) for each in planned.instances))


@dataclass(frozen=True, slots=True)
class _Transfer:
    request: Request
    service: str
    retrieval: Retrieval
    plan: Plan
    progress: Progress
    tag: str

    @property
    def status(self) -> int:
        """206 when some of what was asked for cannot be had in that form (PS3.18 §10.4.3.1)."""
        return 206 if self.plan.left_out else 200

    @property
    def headers(self) -> dict[str, str]:
        if not self.plan.left_out:
            return revalidated(self.tag)
        total = self.plan.left_out + len(self.plan.instances)
        return warning(self.service, left_out(self.plan.left_out, total, "instances", self.plan.reason))

    def recorded(self, pieces: Pieces) -> Pieces:
        return self.retrieval.recorded(pieces, self.progress)


def _in_parts(transfer: _Transfer) -> Response:
    boundary = multipart.boundary(transfer.tag)
    known = [PartHead(named(each.choice.transfer_syntax), each.size) for each in transfer.plan.instances]
    progress, retrieval = transfer.progress, transfer.retrieval
    parts = (retrieval.part(each, progress) for each in progress.counted(transfer.plan.instances))
    body = transfer.recorded(multipart.encoded(parts, boundary))
    return body_answer(
        body,
        multipart.content_type(DICOM, boundary),
        multipart.length(known, boundary),
        transfer.status,
        transfer.headers,
    )


def _alone(transfer: _Transfer) -> Response:
    """`Range` is supported when the file is sent as stored."""
    (planned,) = transfer.plan.instances
    if planned.size is None:
        syntax, pieces = transfer.retrieval.alone(planned, transfer.progress)
        return body_answer(pieces, named(syntax), headers=transfer.headers)

    def part(start: int, stop: int) -> Pieces:
        stored = planned.file.part(transfer.retrieval.archive, start, stop)
        return transfer.recorded(transfer.progress.one(stored))

    kind = named(planned.choice.transfer_syntax)
    return ranged_answer(transfer.request, part, planned.size, kind, transfer.headers)


def _zipped(transfer: _Transfer) -> Response:
    """`Range` is supported when all members are sent as stored: then every byte's position is known."""
    instances, progress = transfer.plan.instances, transfer.progress
    under = list(zip(_names(len(instances)), instances, strict=True))
    members = chain.from_iterable(
        transfer.retrieval.member(name, each, progress) for name, each in progress.counted(under)
    )
    archive = zipped.zipped(members)
    headers = {"Content-Disposition": 'attachment; filename="dicom.zip"', **transfer.headers}
    size = zipped.length((name, each.size) for name, each in under)
    if size is None:
        return body_answer(transfer.recorded(archive), ZIP, None, transfer.status, headers)
    if not transfer.tag:
        headers["ETag"] = entity_tag(
            transfer.plan.reason, *(each.instance.blob.address for each in instances)
        )

    def part(start: int, stop: int) -> Pieces:
        return transfer.recorded(sliced(archive, start, stop))

    return ranged_answer(transfer.request, part, size, ZIP, headers, transfer.status)


def _names(count: int) -> Iterator[str]:
    """Generated names: a sender's words never name a file."""
    return (f"dicom/{number:06d}.dcm" for number in range(1, count + 1))


_ANSWERS = {IN_PARTS: _in_parts, ALONE: _alone, ZIPPED: _zipped}
