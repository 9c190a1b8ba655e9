"""Retrieve the metadata of a study, a series or an instance (PS3.18 §10.4.1.1.2), as JSON or XML.

An answer that the caller already has is not sent again. Its entity tag is derived from the stored objects,
so nothing has to be invalidated when they change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b

import orjson
from starlette.requests import Request
from starlette.responses import Response

from dicomweb import multipart
from dicomweb.data_set_types import XML, in_parts, wanted
from dicomweb.paths import EACH_LEVEL, Path, path_of
from pacs.deflate import gzipped
from pacs.http.accept import Offer, takes_gzip
from pacs.http.body_cache import BodyCache
from pacs.http.conditional import is_known
from pacs.http.dicomweb_urls import resource_url
from pacs.http.origin import origin
from pacs.http.resource import Resource, actor
from pacs.http.streaming import Pieces, Streamed
from pacs.http.threads import pool_of_slow_requests
from pacs.http.viewings import Viewings, retrieved
from pacs.metadata import Metadata
from pacs.model import VersionList
from pacs.prepared import FORMAT
from pacs.rights import Right


def resources(metadata: Metadata, root: str) -> list[Resource]:
    """`root`: where they are mounted."""
    endpoint = pool_of_slow_requests("metadata").endpoint(RetrieveMetadata(metadata, root).answer)
    return [Resource(f"{path}/metadata", endpoint, Right.READ) for path in EACH_LEVEL]


@dataclass(frozen=True, slots=True)
class RetrieveMetadata:
    """All three levels."""

    metadata: Metadata
    root: str
    bodies: BodyCache = field(default_factory=BodyCache)
    viewings: Viewings = field(default_factory=Viewings)

    def answer(self, request: Request) -> Response:
        path, offer = path_of(request), wanted(request)
        who, service = actor(request), origin(request) + self.root
        current = self.metadata.current(who, path.study, path.series, path.sop)
        tag, gzip = _tag(current, service, offer), takes_gzip(request)
        headers = {
            "ETag": f'"{tag}-gzip"' if gzip else f'"{tag}"',
            "Cache-Control": "private, no-cache",
            "Vary": "Accept, Accept-Encoding",
        }
        record = partial(self._record, request, path, current)
        if is_known(request, headers["ETag"]):
            self.viewings.note(request, path.study, record)
            return Response(status_code=304, headers=headers)
        if path.sop is None:
            record()
        else:  # a viewer that asks image by image looks at the study once, as with frames
            self.viewings.note(request, path.study, record)
        if gzip:
            headers["Content-Encoding"] = "gzip"
        media_type = multipart.content_type(XML, tag) if offer.media_type == XML else offer.media_type
        key = who.organization, tag
        if found := self.bodies.get(key):
            return found.answer(media_type, headers, gzip)
        texts = self.metadata.read(who, current, partial(resource_url, service, path.study))
        body = in_parts(map(orjson.loads, texts), tag) if offer.media_type == XML else _array(texts)
        if len(current.keys) == 1:
            body = gzipped(body) if gzip else body
            return Response(b"".join(body), headers=headers, media_type=media_type)
        body = self.bodies.keeping(key, body, lambda: texts.was_prepared, gzip)
        return Streamed(body, media_type, headers=headers)

    def _record(self, request: Request, path: Path, current: VersionList) -> None:
        count = len(current.keys)
        retrieved(
            request,
            self.metadata.archive,
            path.study,
            level=path.level,
            form="metadata",
            completed=count,
            remaining=0,
        )


def _tag(current: VersionList, service: str, offer: Offer) -> str:
    """Derived from everything that the bytes of the answer depend on."""
    what = f"{FORMAT} {current.fingerprint} {service} {offer}"
    return blake2b(what.encode(), digest_size=16).hexdigest()


def _array(texts: Iterable[bytes]) -> Pieces:
    yield b"["
    for position, text in enumerate(texts):
        if position:
            yield b","
        yield text
    yield b"]"
