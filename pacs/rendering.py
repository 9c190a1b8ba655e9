"""Pictures of stored instances, each rendered once: concurrent requests wait for the same work.

They are cached by the address of the object's bytes, so they are never stale; each organisation has its
own. The caller's access to the instance was checked by the archive before.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b

from pacs.actor import Actor
from pacs.archive import Archive
from pacs.dicom.transfer_syntaxes import VIDEO
from pacs.errors import NotConvertible
from pacs.model import CacheStatistics, StoredInstance
from pacs.pixels.parameters import DEFAULT_PARAMETERS, RenderParameters, Viewport
from pacs.pixels.softcopy.stored import MOST_BYTES, StoredState
from pacs.pixels.tasks import Render, StoredPixels, Workers
from pacs.ports import Cache

VERSION = 5
"""Increment it when the same object yields other pictures."""

THUMBNAIL = RenderParameters(viewport=Viewport(200, 200))

MAX_IMPOSSIBLE = 1000
"""Pictures that are known to be impossible, and not attempted again for a while."""
IMPOSSIBLE_FOR = 300.0
"""Seconds of that while: a worker may also have failed through no fault of its image."""

PictureKey = tuple[int, str, str]
"""Organisation, address of the object's bytes, and `RenderRequest.key`: identifies a picture in the cache."""


class Tier(Enum):
    THUMBNAIL = "thumbnail"
    PREVIEW = "preview"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds that pictures are cached, here and by browsers."""

    thumbnail: int = 86_400
    preview: int = 7_200
    full: int = 3_600

    def of(self, tier: Tier) -> int:
        found: int = getattr(self, tier.value)
        return found


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """What picture is wanted of an instance. `frames` are counted from 0; several make an animation.

    `state`: the presentation state that the frames are to be shown with; the caller may see it.
    """

    media_type: str
    frames: tuple[int, ...] = (0,)
    parameters: RenderParameters = DEFAULT_PARAMETERS
    tier: Tier = Tier.FULL
    state: StoredInstance | None = None

    def key(self) -> str:
        """Everything but the object that the picture's bytes depend on."""
        given = self.parameters
        annotations = sorted(given.annotations)
        rest = (given.window, given.viewport, annotations, given.overlays, given.quality, given.icc)
        state = (self.state.blob.address,) if self.state else ()
        return repr((VERSION, self.media_type, self.frames, *rest, *state))


@dataclass(frozen=True, slots=True)
class Rendition:
    """A picture; `hit`: it came from the cache."""

    data: bytes
    hit: bool


def is_image(instance: StoredInstance) -> bool:
    """Whether it has frames that can be rendered; those of a video cannot."""
    return instance.frames is not None and instance.transfer_syntax not in VIDEO


class Rendering:
    def __init__(
        self, archive: Archive, workers: Workers, cache: Cache, lifetimes: Lifetimes | None = None
    ) -> None:
        self.archive = archive
        self.lifetimes = lifetimes or Lifetimes()
        self._workers = workers
        self._cache = cache
        self._lock = threading.Lock()
        self._under_way: dict[PictureKey, Future[bytes]] = {}
        self._impossible: OrderedDict[PictureKey, tuple[float, str]] = OrderedDict()

    def entity_tag(self, instance: StoredInstance, wanted: RenderRequest) -> str:
        """The quoted entity tag, known before the picture is made."""
        what = f"{instance.blob.address} {wanted.key()}"
        return f'"{blake2b(what.encode(), digest_size=16).hexdigest()}"'

    def rendered(self, actor: Actor, instance: StoredInstance, wanted: RenderRequest) -> Rendition:
        """`NotConvertible` when it cannot be rendered, `Unavailable` when too many are being rendered."""
        key = actor.organization, instance.blob.address, wanted.key()
        kept = self._cache.get(*key, self.lifetimes.of(wanted.tier))
        self._cache.count(actor.organization, kept is not None)
        if kept is not None:
            return Rendition(kept, True)
        return Rendition(self._once(key, instance, wanted), False)

    def forget(self, actor: Actor, instance: StoredInstance) -> None:
        organization, address = actor.organization, instance.blob.address
        self._cache.forget(organization, address)
        with self._lock:
            for key in [each for each in self._impossible if each[:2] == (organization, address)]:
                del self._impossible[key]

    def statistics(self, actor: Actor) -> CacheStatistics:
        return self._cache.statistics(actor.organization)

    def _once(self, key: PictureKey, instance: StoredInstance, wanted: RenderRequest) -> bytes:
        """Renders it, or waits for another thread that does already."""
        with self._lock:
            until, reason = self._impossible.get(key, (0.0, ""))
            if time.monotonic() < until:
                raise NotConvertible(reason)
            work = self._under_way.get(key)
            ours = work is None
            if work is None:
                work = self._under_way[key] = Future()
        if ours:
            self._make(key, instance, wanted, work)
        return work.result()

    def _make(
        self,
        key: PictureKey,
        instance: StoredInstance,
        wanted: RenderRequest,
        work: Future[bytes],
    ) -> None:
        try:
            data = self._cache.get(*key, self.lifetimes.of(wanted.tier))  # perhaps made by now
            if data is None:
                data = self._render(instance, wanted)
                self._cache.put(*key, data)
            work.set_result(data)
        except NotConvertible as error:
            with self._lock:
                self._impossible[key] = (time.monotonic() + IMPOSSIBLE_FOR, str(error))
                if len(self._impossible) > MAX_IMPOSSIBLE:
                    self._impossible.popitem(last=False)
            work.set_exception(error)
        except BaseException as error:
            work.set_exception(error)
        finally:
            with self._lock:
                self._under_way.pop(key, None)

    def _render(self, instance: StoredInstance, wanted: RenderRequest) -> bytes:
        pixels = StoredPixels(
            instance.transfer_syntax, instance.dataset_offset, instance.frames, self.archive.limits
        )
        state = self._state(wanted.state) if wanted.state else None
        task = Render(pixels, wanted.frames, wanted.parameters, wanted.media_type, state)
        with self.archive.open(instance) as reader:
            return self._workers.run(task, reader, verify=lambda: self.archive.verify(instance, reader))

    def _state(self, state: StoredInstance) -> StoredState:
        if state.blob.size > MOST_BYTES:
            raise NotConvertible("this presentation state is larger than what is applied here")
        with self.archive.open_verified(state) as reader:
            data = reader.read_at(0, reader.size)
        return StoredState(data, state.transfer_syntax, state.dataset_offset, self.archive.limits)
