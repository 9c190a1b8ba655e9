"""Answers with a picture: conditional requests are answered before rendering; browsers may cache them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from pacs.http.conditional import is_known
from pacs.http.resource import actor
from pacs.http.threads import ThreadPool, pool_of_slow_requests
from pacs.http.viewings import Viewings, retrieved
from pacs.model import StoredInstance
from pacs.rendering import Rendering, RenderRequest

VARY = "Accept, Authorization, Cookie"


@dataclass(frozen=True, slots=True)
class Pictures:
    rendering: Rendering
    viewings: Viewings = field(default_factory=Viewings)
    pool: ThreadPool = field(default_factory=lambda: pool_of_slow_requests("render"))

    def picture(self, request: Request, instance: StoredInstance, wanted: RenderRequest) -> Response:
        """The picture of an instance that the caller may see."""
        self.note(request, instance.identity.study_instance_uid)
        headers = self.headers(instance, wanted)
        if is_known(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        made = self.rendering.rendered(actor(request), instance, wanted)
        headers["X-Cache"] = "HIT" if made.hit else "MISS"
        return Response(made.data, 200, headers, wanted.media_type.partition(";")[0])

    def headers(self, instance: StoredInstance, wanted: RenderRequest) -> dict[str, str]:
        return {
            "ETag": self.rendering.entity_tag(instance, wanted),
            "Cache-Control": f"private, max-age={self.rendering.lifetimes.of(wanted.tier)}",
            "Vary": VARY,
        }

    def note(self, request: Request, study: str) -> None:
        """Audit that the caller views this study."""
        record = partial(self._record, request, study)
        self.viewings.note(request, study, record)

    def _record(self, request: Request, study: str) -> None:
        retrieved(request, self.rendering.archive, study, form="rendered")
