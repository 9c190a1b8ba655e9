"""Which part of an image a presentation state shows, and where each of its points is in the picture
(PS3.3 §C.10.4, §C.10.6).

The picture is resampled once, and marks are drawn in its own pixels, so that they are sharp at any size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pacs.dicom.header import Header
from pacs.errors import BadInput, NotConvertible
from pacs.pixels.geometry import pixel_aspect, plausible
from pacs.pixels.parameters import LARGEST_VIEWPORT, Viewport
from pacs.pixels.picture import Octets

Points = NDArray[np.float64]
"""x and y of each."""
_MOST_MAGNIFIED = 64.0


@dataclass(frozen=True, slots=True)
class Box:
    """Edges: the upper left corner of the first pixel is (0, 0)."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    def share(self, points: Points) -> Points:
        """Where they are in the box, from 0 to 1."""
        shares: Points = (points - (self.left, self.top)) / (self.width, self.height)
        return shares

    def at(self, shares: Points) -> Points:
        return shares * (self.width, self.height) + (self.left, self.top)

    def corners(self) -> Points:
        return np.array([[self.left, self.top], [self.right, self.bottom]])


WHOLE = Box(0, 0, 1, 1)


@dataclass(frozen=True, slots=True)
class Turn:
    """Clockwise by `quarters` of a full turn, then mirrored left to right (PS3.3 §C.10.6)."""

    quarters: int = 0
    flipped: bool = False

    def turned(self, shares: Points) -> Points:
        for _ in range(self.quarters):
            shares = np.stack([1 - shares[:, 1], shares[:, 0]], axis=1)
        return np.stack([1 - shares[:, 0], shares[:, 1]], axis=1) if self.flipped else shares

    def undone(self, shares: Points) -> Points:
        """A mirrored turn undoes itself in the other direction."""
        back = replace(self, quarters=self.quarters if self.flipped else -self.quarters % 4)
        return back.turned(shares)

    def of(self, pixels: Octets) -> Octets:
        turned = np.rot90(pixels, -self.quarters)
        return np.fliplr(turned) if self.flipped else turned


@dataclass(frozen=True, slots=True)
class Displayed:
    """`area`: what is shown of the image, and perhaps beyond its edges. `part`: what the picture shows of the
    turned area, as shares of it. `size`: columns and rows of the picture."""

    area: Box
    turn: Turn
    part: Box
    size: tuple[int, int]

    def of_pixels(self, points: Points) -> Points:
        """From columns and rows of the image to those of the picture."""
        return self.of_area(self.turn.turned(self.area.share(points)))

    def of_area(self, shares: Points) -> Points:
        """From shares of the displayed area to columns and rows of the picture."""
        found: Points = self.part.share(shares) * self.size
        return found

    def picture(self, pixels: Octets) -> Octets:
        """What lies beyond the image is black."""
        wanted = _spanning(self.area.at(self.turn.undone(self.part.corners())))
        columns, rows = self.size if self.turn.quarters % 2 == 0 else self.size[::-1]
        turned = self.turn.of(_resampled(pixels, wanted, columns, rows))
        return np.ascontiguousarray(
            turned[:: -1 if self.part.height < 0 else 1, :: -1 if self.part.width < 0 else 1]
        )


def turn_of(state: Header) -> Turn:
    angle = state.number("ImageRotation") or 0
    if angle % 90:
        raise NotConvertible("the presentation state turns the image by other than right angles")
    return Turn(int(angle // 90) % 4, state.trimmed("ImageHorizontalFlip") == "Y")


def displayed(
    state: Header, item: Header | None, image: Header, pixels: Octets, viewport: Viewport | None
) -> Displayed:
    """`item`: of the Displayed Area Selection Sequence; without it, the whole image is shown.

    A viewport is filled, except by a magnified area, which is cut to it (PS3.18 §9.5.2).
    """
    area, aspect = _area(item, pixels.shape[1], pixels.shape[0]), _aspect(item, image)
    scale = _magnification(item)
    width, height = area.width * scale * max(1 / aspect, 1), area.height * scale * max(aspect, 1)
    turn = turn_of(state)
    if turn.quarters % 2:
        width, height = height, width
    if viewport is None:
        return Displayed(area, turn, WHOLE, _size(width, height))
    if viewport.source is not None:
        return Displayed(area, turn, *_part(viewport, width, height))
    if item is not None and _mode(item) == "MAGNIFY":
        shown = min(viewport.width, width), min(viewport.height, height)
        shares = shown[0] / width / 2, shown[1] / height / 2
        part = Box(0.5 - shares[0], 0.5 - shares[1], 0.5 + shares[0], 0.5 + shares[1])
        return Displayed(area, turn, part, _size(*shown))
    return Displayed(area, turn, WHOLE, _fitting(viewport, width, height))


def _part(viewport: Viewport, width: float, height: float) -> tuple[Box, tuple[int, int]]:
    """A region of the picture that the state makes; negative sides mirror (PS3.18 §8.3.5.1.3)."""
    source = viewport.source
    assert source is not None
    left, top = max(source.x, 0.0), max(source.y, 0.0)
    right, bottom = min(source.x + abs(source.width), width), min(source.y + abs(source.height), height)
    if right <= left or bottom <= top:
        raise BadInput("the region of the viewport holds no pixel of the displayed area")
    size = _fitting(viewport, right - left, bottom - top)
    if source.width < 0:
        left, right = right, left
    if source.height < 0:
        top, bottom = bottom, top
    return Box(left / width, top / height, right / width, bottom / height), size


def _fitting(viewport: Viewport, width: float, height: float) -> tuple[int, int]:
    if not viewport.is_possible:
        raise BadInput("the viewport is empty or too large")
    scale = min(viewport.width / width, viewport.height / height)
    return _size(width * scale, height * scale)


def _size(width: float, height: float) -> tuple[int, int]:
    size = max(1, round(width)), max(1, round(height))
    if size[0] * size[1] > LARGEST_VIEWPORT:
        raise NotConvertible("the displayed area is too large to be rendered here; ask for a viewport")
    return size


def _area(item: Header | None, columns: int, rows: int) -> Box:
    """The corners are the first and the last pixel shown after turning, so either may be the greater one."""
    if item is None:
        return Box(0, 0, columns, rows)
    corners = [item.values(f"DisplayedArea{each}HandCorner") for each in ("TopLeft", "BottomRight")]
    match corners:
        case [[int() as left, int() as top], [int() as right, int() as bottom]]:
            found = Box(min(left, right) - 1, min(top, bottom) - 1, max(left, right), max(top, bottom))
        case _:
            raise NotConvertible("the presentation state has a displayed area that cannot be used")
    if found.left >= columns or found.top >= rows or found.right <= 0 or found.bottom <= 0:
        raise NotConvertible("the displayed area holds no pixel of the image")
    return found


def _mode(item: Header) -> str:
    return item.trimmed("PresentationSizeMode")


def _magnification(item: Header | None) -> float:
    if item is None or _mode(item) != "MAGNIFY":
        return 1.0
    ratio = item.number("PresentationPixelMagnificationRatio") or 1.0
    if not 1 / _MOST_MAGNIFIED <= ratio <= _MOST_MAGNIFIED:
        raise NotConvertible("the presentation state asks for a magnification that is not supported here")
    return ratio


def _aspect(item: Header | None, image: Header) -> float:
    """Height of a pixel divided by its width."""
    for attribute in ("PresentationPixelSpacing", "PresentationPixelAspectRatio"):
        match item.values(attribute) if item is not None else ():
            case [int() | float() as height, int() | float() as width] if width > 0 and height > 0:
                return plausible(height / width)
    return pixel_aspect(image)


def _spanning(corners: Points) -> Points:
    return np.sort(corners, axis=0)


def _resampled(pixels: Octets, wanted: Points, columns: int, rows: int) -> Octets:
    """The area between the two corners `wanted`, in this size; black where it lies beyond the image."""
    scale = np.array([columns, rows]) / (wanted[1] - wanted[0])
    within = np.clip(wanted, 0, pixels.shape[1::-1])
    place = np.clip(np.rint((within - wanted[0]) * scale), 0, (columns, rows)).astype(int)
    canvas: NDArray[Any] = np.zeros((rows, columns, *pixels.shape[2:]), np.uint8)
    (left, top), (right, bottom) = place.tolist()
    if right <= left or bottom <= top:
        return canvas
    box = (*within[0].tolist(), *within[1].tolist())
    size = right - left, bottom - top
    shown = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, box)
    canvas[top:bottom, left:right] = np.asarray(shown)
    return canvas
