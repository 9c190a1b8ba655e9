"""`/api/v1/images/{sop}/…`: pictures of one image, from a thumbnail up to its stored values."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pacs.errors import NotConvertible, NotFound
from pacs.framing import frame_index_of
from pacs.http.accept import DICOM, Offer, acceptable, choose
from pacs.http.conditional import is_known
from pacs.http.operation import BINARY, OBJECT, Operation, answers_json, describe
from pacs.http.pictures import VARY, Pictures
from pacs.http.resource import Resource, actor
from pacs.http.rest.answers import answer
from pacs.http.rest.in_path import image_in_path, image_with_frames
from pacs.http.rest.parameters import number, parameters
from pacs.http.streaming import Streamed
from pacs.part10_file import part10_file
from pacs.pixels.parameters import RenderParameters, Viewport
from pacs.pixels.tasks import PNG_OF_STORED_VALUES
from pacs.rendering import THUMBNAIL, RenderRequest, Tier, is_image
from pacs.rights import Right

PREVIEW = RenderParameters(viewport=Viewport(800, 800))
_FRAME = {"frame": {"type": "integer", "minimum": 1}}
_KNOWN = ("frame", "accept")


def _pictures(*media_types: str) -> Operation:
    return Operation(_FRAME, answers=dict.fromkeys(media_types, BINARY))


@dataclass(frozen=True, slots=True)
class Renditions:
    pictures: Pictures
    root: str

    def routes(self) -> list[Route]:
        """`cache-stats` before the images, since `{sop}` would match it too."""
        one, rendered = f"{self.root}/images/{{sop}}", self.pictures.pool.endpoint
        return [
            Resource(f"{self.root}/images/cache-stats", self.show_cache, Right.READ),
            Resource(f"{one}/thumbnail", rendered(self.show_thumbnail), Right.READ),
            Resource(f"{one}/preview", rendered(self.show_preview), Right.READ),
            Resource(f"{one}/webp", rendered(self.show_webp), Right.READ),
            Resource(f"{one}/full", rendered(self.show_full), Right.READ),
            Resource(f"{one}/data", rendered(self.show_full), Right.READ),
            Resource(f"{one}/invalidate-cache", self.forget, Right.EDIT, ("POST",)),
        ]

    @describe(_pictures("image/jpeg"))
    def show_thumbnail(self, request: Request) -> Response:
        """A JPEG of 200 pixels at its longest side, of the middle frame unless `frame` names one."""
        choose(acceptable(request), [Offer("image/jpeg")])
        return self._picture(request, "image/jpeg", THUMBNAIL, Tier.THUMBNAIL)

    @describe(_pictures("image/jpeg", "image/webp"))
    def show_preview(self, request: Request) -> Response:
        """A picture of at most 800 by 800 pixels, as WebP where accepted."""
        offer = choose(acceptable(request), [Offer("image/jpeg"), Offer("image/webp")])
        return self._picture(request, offer.media_type, PREVIEW, Tier.PREVIEW)

    @describe(_pictures("image/webp"))
    def show_webp(self, request: Request) -> Response:
        """A WebP with all pixels."""
        choose(acceptable(request), [Offer("image/webp")])
        return self._picture(request, "image/webp", RenderParameters(), Tier.FULL)

    @describe(_pictures(DICOM, "image/png"))
    def show_full(self, request: Request) -> Response:
        """The DICOM file as received, or a PNG of one frame's stored values of up to 16 bits."""
        offer = choose(acceptable(request), [Offer(DICOM), Offer("image/png")])
        if offer.media_type != DICOM:
            return self._picture(request, PNG_OF_STORED_VALUES, RenderParameters(), Tier.FULL)
        parameters(request, _KNOWN)
        instance = image_with_frames(request, self.pictures.rendering.archive)
        self.pictures.note(request, instance.identity.study_instance_uid)
        headers = {**self.pictures.headers(instance, RenderRequest(DICOM)), "Vary": VARY}
        if is_known(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        archive = self.pictures.rendering.archive
        file = part10_file(archive, instance)
        return Streamed(file.pieces(archive), DICOM, file.size, headers=headers)

    @describe(Operation(status=204))
    def forget(self, request: Request) -> Response:
        """Remove the cached pictures of an image; they are made anew on demand."""
        parameters(request, ())
        rendering = self.pictures.rendering
        rendering.forget(actor(request), image_in_path(request, rendering.archive))
        return Response(status_code=204)

    @describe(Operation(answers=answers_json({**OBJECT, "additionalProperties": {"type": "number"}})))
    def show_cache(self, request: Request) -> Response:
        """Number and size of this organisation's cached pictures, and how often they were hit."""
        parameters(request, ())
        figures = self.pictures.rendering.statistics(actor(request))
        asked = figures.hits + figures.misses
        return answer(
            {
                "hits": figures.hits,
                "misses": figures.misses,
                "hit_rate": figures.hits / asked if asked else 0.0,
                "entries": figures.entries,
                "bytes": figures.bytes,
            }
        )

    def _picture(self, request: Request, media_type: str, asked: RenderParameters, tier: Tier) -> Response:
        frame = number(parameters(request, _KNOWN), "frame", 0, 1)
        instance = image_with_frames(request, self.pictures.rendering.archive)
        if not is_image(instance):
            raise NotConvertible("this instance has no frames to render")
        count = len(frame_index_of(instance))
        if frame > count:
            raise NotFound(f"there is no frame {frame}")
        wanted = RenderRequest(media_type, (frame - 1 if frame else count // 2,), asked, tier)
        return self.pictures.picture(request, instance, wanted)
