"""Marks and words of a presentation state, in the order of their layers (PS3.3 §C.10.5, §C.10.7).

Everything is counted: a state with more than a reader could have drawn is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pacs.dicom.header import Header
from pacs.errors import NotConvertible
from pacs.pixels.softcopy.geometry import Displayed, Points
from pacs.pixels.softcopy.inks import Ink, ink
from pacs.pixels.softcopy.references import applying

MOST_OBJECTS = 5_000
MOST_POINTS = 50_000
MOST_TEXT = 4_096
"""Characters of one text; four times what PS3.5 allows."""
_KINDS = {"POINT": 1, "POLYLINE": 2, "INTERPOLATED": 2, "CIRCLE": 2, "ELLIPSE": 4}
"""The fewest points of each Graphic Type."""
_FARTHEST = 1e9
_GREY, _COLOUR = (f"GraphicLayerRecommendedDisplay{kind}Value" for kind in ("Grayscale", "CIELab"))


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Points in columns and rows of the image, or in shares of the displayed area."""

    points: Points
    of_image: bool

    def within(self, shown: Displayed) -> Points:
        """In columns and rows of the picture."""
        return shown.of_pixels(self.points) if self.of_image else shown.of_area(self.points)


@dataclass(frozen=True, slots=True)
class Graphic:
    kind: str
    place: Place
    filled: bool


@dataclass(frozen=True, slots=True)
class Words:
    """`box`: two opposite corners. `anchor`: the point meant; if `pointing`, a line leads to it."""

    text: str
    box: Place | None
    anchor: Place | None
    pointing: bool
    alignment: str


@dataclass(frozen=True, slots=True)
class Layer:
    """`name`: what overlays and annotations call it. `order`: layers with a lower one are painted first."""

    name: str
    order: float
    ink: Ink


def layers_of(state: Header) -> dict[str, Layer]:
    found = {}
    for item in state.each_item("GraphicLayerSequence"):
        name = item.trimmed("GraphicLayer")
        found[name] = Layer(name, item.number("GraphicLayerOrder") or 0, ink(item, _GREY, _COLOUR))
    return found


def is_coloured(state: Header) -> bool:
    """Whether a layer has a colour, so that a grey image needs a coloured picture."""
    return any(_COLOUR in item for item in state.each_item("GraphicLayerSequence"))


def unlisted(name: str) -> Layer:
    """A layer that the state uses without describing it, painted last."""
    return Layer(name, np.inf, Ink(255, (255, 255, 255)))


def marks(state: Header, image: str, frame: int) -> list[tuple[Layer, Graphic | Words]]:
    """Those of `frame` (from 1) of `image`, the first to be painted first."""
    layers, found, points = layers_of(state), list[tuple[Layer, Graphic | Words]](), 0
    for item in applying(state, "GraphicAnnotationSequence", image, frame):
        name = item.trimmed("GraphicLayer")
        layer = layers.get(name) or unlisted(name)
        for each in _objects(item):
            found.append((layer, each))
            points += len(each.place.points) if isinstance(each, Graphic) else 0
            if len(found) > MOST_OBJECTS or points > MOST_POINTS:
                raise NotConvertible("the presentation state has more annotations than are drawn here")
    return sorted(found, key=lambda each: each[0].order)


def _objects(item: Header) -> Iterator[Graphic | Words]:
    yield from map(_graphic, item.each_item("GraphicObjectSequence"))
    yield from map(_words, item.each_item("TextObjectSequence"))


def _graphic(item: Header) -> Graphic:
    kind = item.trimmed("GraphicType")
    place = _place(item, "GraphicData", "GraphicAnnotationUnits")
    if kind not in _KINDS or place is None or len(place.points) < _KINDS[kind]:
        raise NotConvertible("the presentation state has a graphic that cannot be drawn")
    return Graphic(kind, place, item.trimmed("GraphicFilled") == "Y")


def _words(item: Header) -> Words:
    element = item.element("UnformattedTextValue")
    if element is not None and element.length > 4 * MOST_TEXT:
        raise NotConvertible("the presentation state has a text that is too long to be drawn here")
    corners = [
        _place(item, f"BoundingBox{each}HandCorner", "BoundingBoxAnnotationUnits")
        for each in ("TopLeft", "BottomRight")
    ]
    box = None
    if corners[0] is not None and corners[1] is not None:
        box = Place(np.concatenate([corners[0].points[:1], corners[1].points[:1]]), corners[0].of_image)
    anchor = _place(item, "AnchorPoint", "AnchorPointAnnotationUnits")
    if box is None and anchor is None:
        raise NotConvertible("the presentation state has a text without a place")
    pointing = item.trimmed("AnchorPointVisibility") == "Y"
    alignment = item.trimmed("BoundingBoxTextHorizontalJustification")
    return Words((item.text("UnformattedTextValue") or "")[:MOST_TEXT], box, anchor, pointing, alignment)


def _place(item: Header, attribute: str, units: str) -> Place | None:
    """Coordinates, read as one array because there may be many."""
    element = item.element(attribute)
    if element is None or element.length < 8:
        return None
    if element.length > 8 * MOST_POINTS or element.vr not in ("FL", "UN"):
        raise NotConvertible("the presentation state has more points than are drawn here")
    raw = item.raw(attribute) or b""
    big = item.big_endian and element.vr == "FL"  # longer than 64 KiB it is UN, which is little endian
    numbers = np.frombuffer(raw[: len(raw) // 8 * 8], ">f4" if big else "<f4").astype(np.float64)
    if not np.isfinite(numbers).all() or np.abs(numbers).max(initial=0) > _FARTHEST:
        raise NotConvertible("the presentation state has coordinates that are out of range")
    return Place(numbers.reshape(-1, 2), item.trimmed(units) != "DISPLAY")
