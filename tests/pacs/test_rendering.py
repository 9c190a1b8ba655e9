"""Pictures are made once, kept for their organisation, and not tried again when they cannot be."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from pacs import rendering as module
from pacs.actor import Actor
from pacs.archive import Archive
from pacs.dicom.limits import DEFAULT
from pacs.dicom.source import BytesSource, Source
from pacs.errors import NotConvertible, Unavailable
from pacs.model import Blob, CacheStatistics, Identity, StoredInstance
from pacs.pixels.parameters import Annotation, RenderParameters, Viewport, Window
from pacs.pixels.tasks import Task, Verify
from pacs.rendering import Lifetimes, Rendering, RenderRequest, Tier
from storage.disk_cache import DiskCache

OURS, THEIRS = (Actor(number, "user", "reader", "127.0.0.1", "0" * 16) for number in (1, 2))
WISH = RenderRequest("image/jpeg")


def instance(address: str = "blake3:aa") -> StoredInstance:
    return StoredInstance(Identity("1", "2", "3", "4"), "1.2.840.10008.1.2.1", Blob(address, 1), 0, b"")


class Opened(BytesSource):
    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


class Objects:
    limits = DEFAULT

    def open(self, instance: StoredInstance) -> Opened:
        return Opened(b"x")

    open_verified = open


class Counting:
    """Workers that only count; what is asked waits for `go`."""

    def __init__(self) -> None:
        self.done = 0
        self.fault: Exception | None = None
        self.go = threading.Event()
        self.go.set()

    def run(self, task: Task, source: Source, patient: bool = False, verify: Verify | None = None) -> bytes:
        self.done += 1
        self.go.wait(120)
        if self.fault:
            raise self.fault
        return b"picture %d" % self.done


@pytest.fixture
def workers() -> Counting:
    return Counting()


@pytest.fixture
def rendering(workers: Counting, tmp_path: Path) -> Iterator[Rendering]:
    cache = DiskCache(tmp_path, 1 << 20)
    yield Rendering(cast(Archive, Objects()), workers, cache)
    cache.close()


def test_the_second_time_it_is_there(rendering: Rendering, workers: Counting) -> None:
    first = rendering.rendered(OURS, instance(), WISH)
    second = rendering.rendered(OURS, instance(), WISH)
    assert (first.hit, second.hit, first.data) == (False, True, second.data)
    assert workers.done == 1
    found = rendering.statistics(OURS)
    assert (found.hits, found.misses, found.entries) == (1, 1, 1)


def test_another_organisation_learns_nothing(rendering: Rendering, workers: Counting) -> None:
    rendering.rendered(OURS, instance(), WISH)
    assert rendering.statistics(THEIRS) == CacheStatistics()
    assert not rendering.rendered(THEIRS, instance(), WISH).hit
    rendering.forget(THEIRS, instance())
    assert rendering.rendered(OURS, instance(), WISH).hit


@pytest.mark.parametrize(
    "other",
    [
        RenderRequest("image/png"),
        RenderRequest("image/jpeg", (1,)),
        RenderRequest("image/jpeg", (0, 1)),
        RenderRequest("image/jpeg", (0,), RenderParameters(window=Window(1, 2))),
        RenderRequest("image/jpeg", (0,), RenderParameters(viewport=Viewport(1, 2))),
        RenderRequest("image/jpeg", (0,), RenderParameters(annotations=frozenset({Annotation.PATIENT}))),
        RenderRequest("image/jpeg", (0,), RenderParameters(quality=1)),
        RenderRequest("image/jpeg", (0,), RenderParameters(overlays=False)),
        RenderRequest("image/jpeg", state=instance("blake3:cc")),
    ],
)
def test_another_wish_is_another_picture(
    rendering: Rendering, workers: Counting, other: RenderRequest
) -> None:
    rendering.rendered(OURS, instance(), WISH)
    assert not rendering.rendered(OURS, instance(), other).hit
    assert rendering.entity_tag(instance(), WISH) != rendering.entity_tag(instance(), other)
    assert rendering.entity_tag(instance(), WISH) != rendering.entity_tag(instance("blake3:bb"), WISH)


def test_a_presentation_state_is_known_by_its_bytes(rendering: Rendering, workers: Counting) -> None:
    first, second = (
        RenderRequest("image/jpeg", state=instance(address)) for address in ("blake3:cc", "blake3:dd")
    )
    rendering.rendered(OURS, instance(), first)
    assert rendering.rendered(OURS, instance(), first).hit
    assert not rendering.rendered(OURS, instance(), second).hit
    large = StoredInstance(Identity("1", "2", "3", "4"), "1.2", Blob("blake3:ee", 1 << 30), 0)
    with pytest.raises(NotConvertible):
        rendering.rendered(OURS, instance(), RenderRequest("image/jpeg", state=large))
    assert workers.done == 2


def test_annotations_in_whatever_order_are_one_wish() -> None:
    both = [frozenset(order) for order in (list(Annotation), list(reversed(Annotation)))]
    requests = [RenderRequest("image/jpeg", (0,), RenderParameters(annotations=each)) for each in both]
    assert len({each.key() for each in requests}) == 1


def test_a_second_caller_waits_for_the_same_work(rendering: Rendering, workers: Counting) -> None:
    workers.go.clear()
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(rendering.rendered, OURS, instance(), WISH) for _ in range(8)]
        while rendering.statistics(OURS).misses < 8:
            pass
        workers.go.set()
        assert {each.result().data for each in asked} == {b"picture 1"}
    assert workers.done == 1


def test_what_cannot_be_is_not_tried_again(rendering: Rendering, workers: Counting, monkeypatch: Any) -> None:
    workers.fault = NotConvertible("poison")
    for _ in range(3):
        with pytest.raises(NotConvertible, match="poison"):
            rendering.rendered(OURS, instance(), WISH)
    assert workers.done == 1
    rendering.forget(OURS, instance())
    workers.fault = None
    assert rendering.rendered(OURS, instance(), WISH).data == b"picture 2"


def test_what_could_not_be_may_be_later(
    rendering: Rendering, workers: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IMPOSSIBLE_FOR", 0.0)
    workers.fault = NotConvertible("too slow")
    with pytest.raises(NotConvertible):
        rendering.rendered(OURS, instance(), WISH)
    workers.fault = None
    assert rendering.rendered(OURS, instance(), WISH).data == b"picture 2"


def test_being_busy_says_nothing_of_the_image(rendering: Rendering, workers: Counting) -> None:
    workers.fault = Unavailable()
    with pytest.raises(Unavailable):
        rendering.rendered(OURS, instance(), WISH)
    workers.fault = None
    assert rendering.rendered(OURS, instance(), WISH).data == b"picture 2"


def test_each_tier_has_its_time(workers: Counting, tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 1 << 20)
    rendering = Rendering(
        cast(Archive, Objects()), workers, cache, Lifetimes(thumbnail=100, preview=0, full=0)
    )
    for tier, hit in ((Tier.THUMBNAIL, True), (Tier.PREVIEW, False), (Tier.FULL, False)):
        wanted = RenderRequest("image/jpeg", (0,), RenderParameters(quality=len(tier.value)), tier)
        rendering.rendered(OURS, instance(), wanted)
        assert rendering.rendered(OURS, instance(), wanted).hit is hit
    cache.close()
