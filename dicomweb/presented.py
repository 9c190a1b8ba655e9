"""Presentation states as pictures of the images that they refer to, if the archive has them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from pacs.actor import Actor
from pacs.archive import Archive
from pacs.errors import Damaged, NotAcceptable, NotConvertible, NotFound
from pacs.framing import frame_index_of
from pacs.model import StoredInstance
from pacs.pixels.softcopy.references import APPLIED, Reference, references
from pacs.pixels.softcopy.stored import MOST_BYTES
from pacs.rendering import is_image

MOST_REFERENCES = 20_000


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame, counted from 0, and the presentation state that it is shown with."""

    instance: StoredInstance
    frame: int
    state: StoredInstance | None = None


def is_applied(instance: StoredInstance) -> bool:
    return instance.identity.sop_class_uid in APPLIED


def references_of(archive: Archive, state: StoredInstance) -> list[Reference]:
    if state.blob.size > MOST_BYTES:
        raise NotConvertible("this presentation state is larger than what is applied here")
    with archive.header(state) as header:
        found = list(islice(references(header), MOST_REFERENCES + 1))
    if len(found) > MOST_REFERENCES:
        raise NotConvertible(f"this presentation state refers to more than {MOST_REFERENCES} images")
    return found


def first_image(archive: Archive, who: Actor, state: StoredInstance) -> tuple[StoredInstance, Reference]:
    """The first image that the state refers to; `NotAcceptable` when it is not here."""
    found = references_of(archive, state)
    if not found:
        raise NotAcceptable("this presentation state names no image")
    first, study = found[0], state.identity.study_instance_uid
    try:
        image = next(archive.retrieve(who, study, first.series_instance_uid, first.sop_instance_uid))
    except NotFound:
        raise NotAcceptable("the image that this presentation state refers to is not here") from None
    if not is_image(image):
        raise NotAcceptable("what this presentation state refers to is not an image")
    return image, first


def each_shown(archive: Archive, who: Actor, found: Iterable[StoredInstance]) -> Iterator[Shown]:
    """The first frame of each image; for a presentation state, of the first image that it refers to."""
    for instance in found:
        if is_image(instance):
            yield Shown(instance, 0)
        elif is_applied(instance):
            yield _first_shown(archive, who, instance)


def _first_shown(archive: Archive, who: Actor, state: StoredInstance) -> Shown:
    try:
        image, reference = first_image(archive, who, state)
    except (NotAcceptable, NotConvertible, NotFound, Damaged):
        return Shown(state, 0)  # without pixels, so it counts as one that cannot be made
    return Shown(image, reference.frames[0] - 1 if reference.frames else 0, state)


def all_images(archive: Archive, who: Actor, state: StoredInstance) -> tuple[list[Shown], int]:
    """All frames that the state refers to, series by series, and the number of images that are not here."""
    named = dict[str, dict[str, Reference]]()
    for each in references_of(archive, state):
        named.setdefault(each.series_instance_uid, {})[each.sop_instance_uid] = each
    shown, missing = list[Shown](), 0
    for series, wanted in named.items():
        images = _of_series(archive, who, state.identity.study_instance_uid, series, wanted)
        missing += len(wanted) - len(images)
        for image in images:
            count = len(frame_index_of(image))
            frames = wanted[image.identity.sop_instance_uid].frames or range(1, count + 1)
            shown.extend(Shown(image, frame - 1, state) for frame in frames if 1 <= frame <= count)
    return shown, missing


def _of_series(
    archive: Archive, who: Actor, study: str, series: str, wanted: Container[str]
) -> list[StoredInstance]:
    try:
        found = archive.retrieve(who, study, series)
    except NotFound:
        return []
    return [each for each in found if each.identity.sop_instance_uid in wanted and is_image(each)]
