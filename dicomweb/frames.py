"""Retrieve Frames (PS3.18 §10.4.1.1.6): one lookup, one range read, decoding only on request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

from starlette.requests import Request
from starlette.responses import Response

from dicomweb import multipart
from dicomweb.frame_types import chosen, stored_offer
from dicomweb.multipart import Part, PartHead
from dicomweb.paths import path_of
from pacs.archive import Archive
from pacs.dicom.frames import FrameIndex
from pacs.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from pacs.errors import BadInput, LimitExceeded, NotConvertible, NotFound
from pacs.framing import Frames, frame_index_of, frame_size
from pacs.http.accept import MediaRange, Offer, acceptable
from pacs.http.byte_range import ranged_answer
from pacs.http.conditional import entity_tag, is_known, revalidated
from pacs.http.origin import origin
from pacs.http.resource import Resource, actor
from pacs.http.streaming import Pieces, body_answer, sliced
from pacs.http.threads import pool_of_slow_requests
from pacs.http.viewings import Viewings, retrieved
from pacs.model import StoredInstance
from pacs.rights import Right
from pacs.transcoding import Transcoder

PATH = "/studies/{study}/series/{series}/instances/{sop}/frames/{frames}"

MAX_FRAMES = 100_000
"""Frames of one request."""
_NUMBERS = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")


def resources(archive: Archive, transcoder: Transcoder) -> list[Resource]:
    pool = pool_of_slow_requests("frames")  # a frame may have to be decoded
    return [Resource(PATH, pool.endpoint(RetrieveFrames(archive, transcoder).answer), Right.READ)]


def frame_list(text: str) -> list[int]:
    """Numbers from 1, and ranges of them, in the caller's order."""
    found = list[int]()
    for item in text.split(","):
        numbers = _NUMBERS.fullmatch(item.strip())
        if numbers is None:
            raise BadInput("frames are named by numbers with commas between, as in 1,4,7-9")
        first = int(numbers[1])
        last = int(numbers[2] or first)
        if not 1 <= first <= last:
            raise BadInput("frames are counted from 1")
        if len(found) + last - first >= MAX_FRAMES:
            raise LimitExceeded(f"one request gets at most {MAX_FRAMES} frames")
        found.extend(range(first, last + 1))
    return found


@dataclass(frozen=True, slots=True)
class RetrieveFrames:
    archive: Archive
    transcoder: Transcoder
    viewings: Viewings = field(default_factory=Viewings)

    def answer(self, request: Request) -> Response:
        path, numbers = path_of(request), frame_list(request.path_params["frames"])
        instance = next(self.archive.retrieve(actor(request), path.study, path.series, path.sop))
        here = f"{origin(request)}{request.scope['path'].rpartition('/')[0]}/"
        return self.frames(request, instance, numbers, here)

    def frames(
        self, request: Request, instance: StoredInstance, numbers: Sequence[int], here: str
    ) -> Response:
        """`here`: the URL of the frames, without the number."""
        index = frame_index_of(instance)
        if max(numbers) > len(index):
            raise NotFound(f"this instance has {len(index)} frames")
        ranges = tuple(acceptable(request))
        offer = chosen(ranges, instance.transfer_syntax, len(numbers) == 1, self.transcoder.codecs)
        study = instance.identity.study_instance_uid
        record = partial(retrieved, request, self.archive, study, level="FRAME")
        self.viewings.note(request, study, record)
        asked = AskedFrames(instance, index, numbers, offer)
        tag = asked.tag(here)
        headers = revalidated(tag)
        if tag and is_known(request, tag):
            return Response(status_code=304, headers=headers)
        body, kind, size = self._representation(asked, here, multipart.boundary(tag))
        if size is None:
            return body_answer(body, kind, headers=headers)
        return ranged_answer(request, partial(sliced, body), size, kind, headers)

    def every(self, instance: StoredInstance, ranges: Sequence[MediaRange]) -> AskedFrames:
        """All frames, as parts; `NotAcceptable` when they are available in none of the ranges."""
        index = frame_index_of(instance)
        offer = chosen(ranges, instance.transfer_syntax, False, self.transcoder.codecs)
        return AskedFrames(instance, index, range(1, len(index) + 1), offer)

    def _representation(self, asked: AskedFrames, here: str, boundary: str) -> tuple[Pieces, str, int | None]:
        """The body, its media type, and its bytes if known in advance."""
        offer, numbers = asked.offer, asked.numbers
        if not offer.multipart:
            return self._alone(asked), _named(offer), asked.size(numbers[0])
        size = multipart.length((asked.head(number, here) for number in numbers), boundary)
        body = multipart.encoded(self.parts(asked, here), boundary)
        return body, multipart.content_type(offer.media_type, boundary), size

    def _alone(self, asked: AskedFrames) -> Pieces:
        for _, pieces in self.parts(asked, ""):
            yield from pieces

    def parts(self, asked: AskedFrames, here: str, begun: bool = False) -> Iterator[Part]:
        """One for each frame. `here` as in `frames`.

        Once the answer has `begun`, a frame that cannot be decoded is sent as stored.
        """
        with self.archive.open_verified(asked.instance) as reader:
            frames = Frames(asked.instance, reader, self.transcoder)
            for number in asked.numbers:
                yield asked.part(frames, number, here, begun)
                begun = True


def _named(offer: Offer) -> str:
    return f"{offer.media_type}; transfer-syntax={offer.syntax}"


@dataclass(frozen=True, slots=True)
class AskedFrames:
    instance: StoredInstance
    index: FrameIndex
    numbers: Sequence[int]
    offer: Offer

    def frame(self, frames: Frames, frame: int) -> Iterator[bytes]:
        if self.offer.syntax == EXPLICIT_LITTLE:
            return frames.uncompressed(frame)
        return frames.stored(frame) if self.offer.stored else frames.encoded(frame, self.offer.syntax)

    def part(self, frames: Frames, number: int, here: str, begun: bool) -> Part:
        """`begun` as in `RetrieveFrames.parts`."""
        head, pieces = self.head(number, here), self.frame(frames, number - 1)
        if self.offer.stored:
            return head, pieces
        try:
            return head, chain((next(pieces),), pieces)
        except NotConvertible:
            if not begun:
                raise
        stored = stored_offer(self.instance.transfer_syntax)
        return replace(self, offer=stored).head(number, here), frames.stored(number - 1)

    def tag(self, here: str) -> str:
        """The entity tag; empty for frames that are converted first, as an update may change the result."""
        if not self.offer.stored:
            return ""
        return entity_tag(self.instance.blob.address, self.numbers, self.offer, here)

    def size(self, number: int) -> int | None:
        """Bytes of the frame; None when it must be decoded or encoded first."""
        return frame_size(self.index, number - 1) if self.offer.stored else None

    def head(self, number: int, here: str) -> PartHead:
        return PartHead(_named(self.offer), self.size(number), f"{here}{number}")
