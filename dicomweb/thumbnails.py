"""Choosing the instance that represents a study or a series in a thumbnail (PS3.18 §10.4.1.1.4).

The middle one; where that is not an image, or cannot be decoded, a few others are tried, those in another
transfer syntax first, as a failure mostly affects all images that are encoded alike. Presentation states come
last, each with the image that it refers to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice

from dicomweb.paths import Path
from dicomweb.presented import is_applied
from pacs.actor import Actor
from pacs.archive import Archive
from pacs.attributes import BY_KEYWORD, Level
from pacs.model import StoredInstance
from pacs.rendering import is_image
from pacs.search.query import Condition, OneOf, Query

MOST_SEEN = 50
"""Instances that are considered."""
MOST_TRIED = 4
"""Instances that are attempted."""


def representatives(archive: Archive, who: Actor, path: Path) -> Iterator[StoredInstance]:
    """What to try one after the other; just the instance itself when the path names one."""
    states = list[StoredInstance]()

    def images() -> Iterator[StoredInstance]:
        for each in _likeliest_first(archive, who, path):
            if is_image(each):
                yield each
            elif is_applied(each):
                states.append(each)

    return islice(chain(images(), states), MOST_TRIED)


def _likeliest_first(archive: Archive, who: Actor, path: Path) -> Iterator[StoredInstance]:
    if path.sop is not None:
        yield from archive.retrieve(who, path.study, path.series, path.sop)
        return
    middle = _middle(archive, who, path)
    chosen = next(archive.retrieve(who, middle.study, middle.series, middle.sop))
    yield chosen
    seen = islice(archive.retrieve(who, path.study, path.series), MOST_SEEN)
    others = [each for each in seen if each.identity != chosen.identity]
    yield from sorted(others, key=lambda each: each.transfer_syntax == chosen.transfer_syntax)


def _middle(archive: Archive, who: Actor, path: Path) -> Path:
    conditions = [Condition(BY_KEYWORD["StudyInstanceUID"], OneOf((path.study,)))]
    if path.series:
        conditions.append(Condition(BY_KEYWORD["SeriesInstanceUID"], OneOf((path.series,))))
    asked = Query(Level.IMAGE, tuple(conditions), limit=1)
    for found in archive.locate(who, replace(asked, offset=archive.count(who, asked) // 2)):
        return Path(path.study, found.identity.series_instance_uid, found.identity.sop_instance_uid)
    return path
