"""QIDO-RS: searching for studies, series and instances (PS3.18 §10.6).

The same `Query` and SQL as C-FIND. A page has at most `max_answers`, whatever `limit` says, and
announces when there are more. Studies are sorted newest first, series and instances by number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import orjson
from starlette.requests import Request
from starlette.responses import Response

from dicomweb import multipart
from dicomweb.data_set_types import XML, in_parts, wanted
from dicomweb.search.answers import DataSet, Encoder
from dicomweb.search.snapshots import Snapshots
from dicomweb.search.url import Search, parse_search
from dicomweb.warning import warning
from pacs.archive import Archive
from pacs.attributes import Level
from pacs.http.accept import Offer
from pacs.http.origin import origin
from pacs.http.resource import Resource, actor
from pacs.rights import Right
from pacs.search.query import ResultPage

_STUDY, _SERIES = "{StudyInstanceUID}", "{SeriesInstanceUID}"
PATHS = {
    "/studies": Level.STUDY,
    "/series": Level.SERIES,
    "/instances": Level.IMAGE,
    f"/studies/{_STUDY}/series": Level.SERIES,
    f"/studies/{_STUDY}/instances": Level.IMAGE,
    f"/studies/{_STUDY}/series/{_SERIES}/instances": Level.IMAGE,
}


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """`max_answers`: of one page. `no_content`: answer an empty result by 204 rather than `[]`."""

    max_answers: int = 10_000
    no_content: bool = False


def resources(archive: Archive, settings: SearchSettings, root: str) -> list[Resource]:
    """`root`: where they are mounted."""
    snapshots = Snapshots()
    return [
        Resource(path, _Searching(archive, settings, snapshots, root, level).answer, Right.READ)
        for path, level in PATHS.items()
    ]


@dataclass(frozen=True, slots=True)
class _Searching:
    archive: Archive
    settings: SearchSettings
    snapshots: Snapshots
    root: str
    level: Level

    def answer(self, request: Request) -> Response:
        offer = wanted(request)
        service = origin(request) + self.root
        search = parse_search(self.level, request.path_params, request.query_params.multi_items())
        limit = self._limit(search)
        found = self._found(request, search, limit)
        encoder = Encoder(service, self.level, search.query.include)
        response = self._response(offer, [encoder.encode(values) for values in found.answers])
        for text in self._remarks(search, found, limit):
            for header in warning(service, text).items():
                response.headers.append(*header)
        if found.total is not None:
            response.headers["X-Total-Count"] = str(found.total)
        return response

    def _limit(self, search: Search) -> int:
        most = self.settings.max_answers
        return most if search.limit is None else min(search.limit, most)

    def _found(self, request: Request, search: Search, limit: int) -> ResultPage:
        if search.contradiction:
            return ResultPage([], more=False, total=0)
        who = actor(request)
        query = replace(search.query, limit=limit, offset=0)
        same = who.organization, who.name, who.address, replace(query, limit=None)
        if search.query.offset:
            query = replace(query, offset=search.query.offset, until=self.snapshots.of(same))
        found = self.archive.page(who, query)
        if found.last is not None and not search.query.offset:
            self.snapshots.note(same, found.last)
        return found

    def _remarks(self, search: Search, found: ResultPage, limit: int) -> list[str]:
        remarks = []
        if found.more and (search.limit is None or search.limit > limit):
            remarks.append(
                "The number of results exceeded the maximum supported by the server. "
                "Additional results can be requested."
            )
        elif found.more:
            left = "" if found.total is None else f"{found.total - search.query.offset - limit} "
            remarks.append(f"There are {left}additional results that can be requested.")
        if search.ignored:
            remarks.append(f"Not supported here and ignored: {', '.join(search.ignored[:20])}")
        return remarks

    def _response(self, offer: Offer, answers: list[DataSet]) -> Response:
        if not answers and (self.settings.no_content or offer.media_type == XML):
            return Response(status_code=204)
        if offer.media_type == XML:
            return _multipart(answers)
        return Response(orjson.dumps(answers), media_type=offer.media_type)


def _multipart(answers: list[DataSet]) -> Response:
    """One part for each answer (PS3.18 §10.6.3.3.1)."""
    boundary = multipart.new_boundary()
    body = b"".join(in_parts(answers, boundary))
    return Response(body, media_type=multipart.content_type(XML, boundary))
