"""Retrieve rendered instances and thumbnails (PS3.18 §10.4.1.1.3, §10.4.1.1.4): pictures for people.

An image is encoded in the media type that the caller accepts; documents, videos and reports are returned
as they are. Of a presentation state, the images that it refers to are rendered, as it says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain, islice

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.bulkdata import SHOWN
from dicomweb.depictions import KINDS, depictions
from dicomweb.frames import frame_list
from dicomweb.paths import EACH_LEVEL, INSTANCE, path_of
from dicomweb.presented import Shown, all_images, each_shown, first_image, is_applied
from dicomweb.rendered_parameters import render_parameters, viewport
from dicomweb.rendered_parts import RenderedParts, RequestedPictures
from dicomweb.thumbnails import representatives
from pacs.archive import Archive
from pacs.errors import BadInput, NotAcceptable, NotConvertible, NotFound
from pacs.framing import frame_index_of
from pacs.http.accept import Offer, acceptable, choose
from pacs.http.byte_range import ranged_answer
from pacs.http.conditional import is_known
from pacs.http.pictures import VARY, Pictures
from pacs.http.resource import Resource, actor
from pacs.http.streaming import Pieces, closing
from pacs.model import StoredInstance
from pacs.pixels.parameters import RenderParameters, Viewport
from pacs.rendering import RenderRequest, Tier, is_image
from pacs.rights import Right

_PATHS = (*EACH_LEVEL, f"{INSTANCE}/frames/{{frames}}")

STILL = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/jp2")
MOVING = ("image/gif", "image/webp")
PICTURES, IN_PARTS = (tuple(Offer(kind, multipart) for kind in STILL) for multipart in (False, True))
DOCUMENTS = tuple(map(Offer, KINDS))
THUMBNAIL = Viewport(200, 200)


def resources(pictures: Pictures, root: str) -> list[Resource]:
    """`root`: where they are mounted."""
    endpoint = RetrieveRendered(pictures, root)
    rendered, thumbnail = (
        pictures.pool.endpoint(endpoint.rendered),
        pictures.pool.endpoint(endpoint.thumbnail),
    )
    return [
        *(Resource(f"{path}/rendered", rendered, Right.READ) for path in _PATHS),
        *(Resource(f"{path}/thumbnail", thumbnail, Right.READ) for path in _PATHS),
    ]


@dataclass(frozen=True, slots=True)
class RetrieveRendered:
    pictures: Pictures
    root: str

    def rendered(self, request: Request) -> Response:
        """A study, a series, an instance or frames of it, as pictures or documents."""
        path, parameters = path_of(request), render_parameters(request.query_params)
        found = self._archive.retrieve(actor(request), path.study, path.series, path.sop)
        first = list(islice(found, 2))
        requested = RequestedPictures(request, path, parameters, acceptable(request), _frames(request))
        if len(first) > 1:
            return self._several(requested, chain(first, found))
        return self.shown(requested, first[0])

    def shown(self, requested: RequestedPictures, instance: StoredInstance) -> Response:
        """One instance in its own form."""
        if is_image(instance):
            return self._image(requested, instance)
        return (self._presented if is_applied(instance) else self._document)(requested, instance)

    def thumbnail(self, request: Request) -> Response:
        """A small picture of a representative image, or of the one that a presentation state refers to."""
        path, given = path_of(request), request.query_params.get("viewport")
        parameters = RenderParameters(viewport=viewport(given) if given else THUMBNAIL)
        offer = choose(acceptable(request), PICTURES)
        refused: NotConvertible | NotAcceptable = NotAcceptable("there is no image that could be a thumbnail")
        for instance in representatives(self._archive, actor(request), path):
            try:
                shown = self._shown_small(request, instance)
                wanted = RenderRequest(
                    offer.media_type, (shown.frame,), parameters, Tier.THUMBNAIL, shown.state
                )
                return self.pictures.picture(request, shown.instance, wanted)
            except (NotConvertible, NotAcceptable) as reason:
                refused = reason
        raise refused

    def _shown_small(self, request: Request, instance: StoredInstance) -> Shown:
        """The middle frame, or the one that is named; of a presentation state, one that it refers to."""
        frames: Sequence[int] = _frames(request)
        image, state = instance, None
        if not is_image(instance):
            state = instance
            image, frames = self._first_image(request, state, frames)
        count = len(frame_index_of(image))
        numbers = _checked(frames, count)
        return Shown(image, numbers[0] - 1 if numbers else count // 2, state)

    @property
    def _archive(self) -> Archive:
        return self.pictures.rendering.archive

    def _image(self, requested: RequestedPictures, instance: StoredInstance) -> Response:
        count = len(frame_index_of(instance))
        named = _checked(requested.frames, count)
        offer = choose(requested.ranges, _offers(named))
        numbers = named or (range(1, count + 1) if count > 1 else [1])
        if offer.multipart:
            return self._parts(requested, [Shown(instance, each - 1, requested.state) for each in numbers])
        moving = len(numbers) > 1 and (named or offer.media_type == "image/gif")
        frames = tuple(number - 1 for number in (numbers if moving else numbers[:1]))
        wanted = RenderRequest(offer.media_type, frames, requested.parameters, state=requested.state)
        return self.pictures.picture(requested.request, instance, wanted)

    def _several(self, requested: RequestedPictures, found: Iterator[StoredInstance]) -> Response:
        return self._parts(requested, each_shown(self._archive, actor(requested.request), found))

    def _presented(self, requested: RequestedPictures, state: StoredInstance) -> Response:
        """The first image that the state refers to, or all of them where several pictures are accepted."""
        if requested.parameters.window is not None:
            raise BadInput("window does not apply to a presentation state, which has its own")
        if choose(requested.ranges, _offers(requested.frames)).multipart and not requested.frames:
            return self._parts(requested, *all_images(self._archive, actor(requested.request), state))
        image, frames = self._first_image(requested.request, state, requested.frames)
        return self._image(replace(requested, frames=frames, state=state), image)

    def _first_image(
        self, request: Request, state: StoredInstance, named: Sequence[int]
    ) -> tuple[StoredInstance, Sequence[int]]:
        """The first image that the state refers to, and its frames, counted from 1, that are to be shown."""
        image, reference = first_image(self._archive, actor(request), state)
        frames = named or reference.frames[:1]
        if not all(reference.is_of(image.identity.sop_instance_uid, frame) for frame in frames):
            raise NotAcceptable("the presentation state does not refer to this frame")
        return image, frames

    def _parts(self, requested: RequestedPictures, found: Iterable[Shown], missing: int = 0) -> Response:
        offer = choose(requested.ranges, IN_PARTS)
        return RenderedParts(self.pictures, self.root).answer(requested, offer, found, missing)

    def _document(self, requested: RequestedPictures, instance: StoredInstance) -> Response:
        if requested.frames:
            raise NotFound("this instance has no frames")
        with ExitStack() as opened:
            header = opened.enter_context(self._archive.header(instance))
            shown = {each.media_type.partition(";")[0]: each for each in depictions(header, instance)}
            offer = choose(requested.ranges, [Offer(kind) for kind in shown])
            value = shown[offer.media_type]
            self.pictures.note(requested.request, requested.path.study)
            wanted = RenderRequest(offer.media_type)
            tag = self.pictures.rendering.entity_tag(instance, wanted)
            headers = {**SHOWN, "ETag": tag, "Cache-Control": "private, no-cache", "Vary": VARY}
            if is_known(requested.request, tag):
                return Response(status_code=304, headers=headers)

            def pieces(start: int, stop: int) -> Pieces:
                return closing(opened.pop_all(), value.pieces(start, stop))

            return ranged_answer(requested.request, pieces, value.size, value.media_type, headers)


def _frames(request: Request) -> list[int]:
    named = request.path_params.get("frames")
    return frame_list(named) if named is not None else []


def _checked(numbers: Sequence[int], count: int) -> Sequence[int]:
    if numbers and max(numbers) > count:
        raise NotFound(f"this instance has {count} frames")
    return numbers


def _offers(named: Sequence[int]) -> list[Offer]:
    """One frame: a picture. Several named frames: multipart, or an animation. An instance with several:
    its first frame as a picture, or all of them as multipart or an animation."""
    if len(named) > 1:
        return [*IN_PARTS, *(Offer(kind) for kind in MOVING)]
    return [*PICTURES, *IN_PARTS]
