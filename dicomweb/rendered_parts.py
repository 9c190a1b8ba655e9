"""Several pictures in one answer, one part for each. A damaged frame fails alone, but not unnoticed.

Pictures are made before the first one is sent, so that the answer can say whether any is left out (206 and a
Warning, PS3.18 §10.4.3.1). If there are very many, only some of them are, or the caller would wait too long;
the answer then says so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice

from starlette.requests import Request

from dicomweb import multipart
from dicomweb.multipart import Part, PartHead
from dicomweb.paths import Path
from dicomweb.presented import Shown
from dicomweb.warning import left_out, warning
from pacs.errors import Damaged, NotAcceptable, NotConvertible, NotFound
from pacs.http.accept import MediaRange, Offer
from pacs.http.dicomweb_urls import instance_url
from pacs.http.origin import origin
from pacs.http.pictures import VARY, Pictures
from pacs.http.resource import actor
from pacs.http.streaming import Streamed
from pacs.model import StoredInstance
from pacs.pixels.parameters import RenderParameters
from pacs.rendering import RenderRequest

AHEAD = 256
"""Pictures that are made before the answer begins."""
KEPT = 32 << 20
"""Bytes of those that are kept in memory; the others are read from the cache again."""


@dataclass(frozen=True, slots=True)
class RequestedPictures:
    """`frames`: numbered from 1; empty when the whole instance is requested. `state`: to be applied."""

    request: Request
    path: Path
    parameters: RenderParameters
    ranges: Sequence[MediaRange]
    frames: Sequence[int] = ()
    state: StoredInstance | None = None


@dataclass(frozen=True, slots=True)
class RenderedParts:
    """`root`: where the resources are mounted."""

    pictures: Pictures
    root: str

    def answer(
        self, requested: RequestedPictures, offer: Offer, found: Iterable[Shown], missing: int
    ) -> Streamed:
        """`missing`: how many more there should be, but are not here."""
        self.pictures.note(requested.request, requested.path.study)
        making = _Making(self, requested, offer.media_type, missing)
        rest = iter(found)
        making.ahead(islice(rest, AHEAD))
        further = next(rest, None)
        if not making.made and further is None:
            raise NotAcceptable("nothing of this can be rendered")
        rest = chain((further,), rest) if further is not None else iter(())
        boundary = multipart.new_boundary()
        body = multipart.encoded(making.parts(rest), boundary)
        headers = {"Cache-Control": "private, no-cache", "Vary": VARY}
        headers.update(making.warnings(further is not None))
        kind = multipart.content_type(offer.media_type, boundary)
        return Streamed(body, kind, status=206 if making.left_out else 200, headers=headers)


@dataclass(slots=True)
class _Making:
    """`made`: each with its picture, or with None if that will be read again."""

    parent: RenderedParts
    requested: RequestedPictures
    media_type: str
    left_out: int
    made: deque[tuple[Shown, bytes | None]] = field(default_factory=deque)
    held: int = 0

    def ahead(self, found: Iterable[Shown]) -> None:
        for shown in found:
            try:
                data = self._picture(shown)
            except (NotConvertible, NotFound, Damaged):
                self.left_out += 1
                continue
            self.held += len(data)
            self.made.append((shown, data if self.held <= KEPT else None))

    def parts(self, rest: Iterable[Shown]) -> Iterator[Part]:
        while self.made:
            shown, data = self.made.popleft()
            yield self._part(shown, data if data is not None else self._picture(shown))
        for shown in rest:
            try:
                data = self._picture(shown)
            except (NotConvertible, NotFound, Damaged):
                continue
            yield self._part(shown, data)

    def warnings(self, more: bool) -> dict[str, str]:
        remarks = []
        if self.left_out:
            seen = self.left_out + len(self.made)
            remarks.append(left_out(self.left_out, seen, "pictures", "they cannot be made"))
        if more:
            remarks.append("of the pictures after these, those that cannot be made are left out")
        service = origin(self.requested.request) + self.parent.root
        return warning(service, "; ".join(remarks)) if remarks else {}

    def _picture(self, shown: Shown) -> bytes:
        parameters = self.requested.parameters
        if shown.state:
            parameters = replace(parameters, window=None)
        wanted = RenderRequest(self.media_type, (shown.frame,), parameters, state=shown.state)
        rendering = self.parent.pictures.rendering
        return rendering.rendered(actor(self.requested.request), shown.instance, wanted).data

    def _part(self, shown: Shown, data: bytes) -> Part:
        return PartHead(self.media_type, len(data), self._address(shown)), (data,)

    def _address(self, shown: Shown) -> str:
        """With a presentation state, the frame has no address of its own."""
        if shown.state is not None:
            return ""
        here = instance_url(origin(self.requested.request) + self.parent.root, shown.instance.identity)
        return f"{here}/frames/{shown.frame + 1}/rendered"
