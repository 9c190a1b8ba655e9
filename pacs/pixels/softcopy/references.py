"""Which images and frames a presentation state, or an item of it, refers to (PS3.3 §C.11.11)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pacs.dicom.header import Header

_STATES = "1.2.840.10008.5.1.4.1.1.11."
APPLIED = frozenset(f"{_STATES}{kind}" for kind in (1, 2, 3, 5))
"""SOP classes that are applied: Grayscale, Color, Pseudo-Color and XA/XRF Grayscale. The others (blending,
volumes) combine several images."""


@dataclass(frozen=True, slots=True)
class Reference:
    """`frames`: counted from 1; empty means all of them."""

    series_instance_uid: str
    sop_instance_uid: str
    frames: tuple[int, ...]

    def is_of(self, sop_instance_uid: str, frame: int | None = None) -> bool:
        known = self.sop_instance_uid == sop_instance_uid
        return known and (frame is None or not self.frames or frame in self.frames)


def references(state: Header) -> Iterator[Reference]:
    for series in state.each_item("ReferencedSeriesSequence"):
        yield from _images(series, series.trimmed("SeriesInstanceUID"))


def applying(state: Header, sequence: str, image: str, frame: int) -> Iterator[Header]:
    """The items of `sequence` for `frame` (from 1) of `image`; those that name no image are for all."""
    for item in state.each_item(sequence):
        named = list(_images(item, ""))
        if not named or any(each.is_of(image, frame) for each in named):
            yield item


def _images(holder: Header, series: str) -> Iterator[Reference]:
    for image in holder.each_item("ReferencedImageSequence"):
        frames = (each for each in image.values("ReferencedFrameNumber") if isinstance(each, int))
        yield Reference(series, image.trimmed("ReferencedSOPInstanceUID"), tuple(frames))
