"""What a presentation state hides of an image (PS3.3 §C.7.6.11, §C.7.6.15): everything outside any of its
shutters. The pixels on a shutter's edges are shown."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pacs.dicom.header import Header
from pacs.errors import NotConvertible
from pacs.pixels.geometry import pixel_aspect
from pacs.pixels.overlay import bitmap
from pacs.pixels.picture import Octets
from pacs.pixels.softcopy.inks import Ink, ink

Hidden = NDArray[np.bool_]
_MOST_VERTICES = 10_000


def shuttered(state: Header, image: Header, pixels: Octets) -> Octets:
    """The same array when there are no shutters."""
    shapes = [str(each).strip() for each in state.values("ShutterShape")]
    if not shapes:
        return pixels
    if not _SHUTTERS.keys() >= set(shapes):
        raise NotConvertible("the presentation state has a shutter of unknown shape")
    size = pixels.shape[0], pixels.shape[1]
    hidden = np.zeros(size, bool)
    for shape in shapes:
        hidden |= _SHUTTERS[shape](state, image, size)
    covered = pixels.copy()
    covered[hidden] = _cover(state).on(pixels)
    return covered


def _cover(state: Header) -> Ink:
    return ink(state, "ShutterPresentationValue", "ShutterPresentationColorCIELabValue", grey=0)


def _rectangle(state: Header, image: Header, shape: tuple[int, int]) -> Hidden:
    sides = ("LeftVertical", "RightVertical", "UpperHorizontal", "LowerHorizontal")
    left, right, upper, lower = (_whole(state, f"Shutter{side}Edge", 1)[0] for side in sides)
    hidden = np.ones(shape, bool)
    hidden[max(upper - 1, 0) : max(lower, 0), max(left - 1, 0) : max(right, 0)] = False
    return hidden


def _circle(state: Header, image: Header, shape: tuple[int, int]) -> Hidden:
    """The radius counts pixels along a row."""
    row, column = _whole(state, "CenterOfCircularShutter", 2)
    (radius,) = _whole(state, "RadiusOfCircularShutter", 1)
    down = (np.arange(1.0, shape[0] + 1) - row)[:, None] * pixel_aspect(image)
    across = np.arange(1.0, shape[1] + 1) - column
    outside: Hidden = down**2 + across**2 > float(radius) ** 2
    return outside


def _polygon(state: Header, image: Header, shape: tuple[int, int]) -> Hidden:
    places = _whole(state, "VerticesOfThePolygonalShutter", 6)
    corners = [(x - 1, y - 1) for y, x in zip(places[::2], places[1::2], strict=False)]
    mask = Image.new("1", shape[::-1], 1)
    ImageDraw.Draw(mask).polygon(corners, fill=0)
    return np.asarray(mask)


def _bitmap(state: Header, image: Header, shape: tuple[int, int]) -> Hidden:
    """An overlay of the state, ones where it hides."""
    (group,) = _whole(state, "ShutterOverlayGroup", 1)
    bits = bitmap(state, group << 16, 0) if 0x6000 <= group <= 0x601E else None
    if bits is None or bits.shape != shape:
        raise _unusable()
    return bits


_SHUTTERS: dict[str, Callable[[Header, Header, tuple[int, int]], Hidden]] = {
    "RECTANGULAR": _rectangle,
    "CIRCULAR": _circle,
    "POLYGONAL": _polygon,
    "BITMAP": _bitmap,
}


def _whole(state: Header, attribute: str, least: int) -> list[int]:
    """All values, clipped to a safe range. If `least` is 1 or 2, there must be exactly so many."""
    found = [int(each) for each in state.values(attribute) if isinstance(each, int | float)]
    if not least <= len(found) <= 2 * _MOST_VERTICES or (least <= 2 and len(found) != least):
        raise _unusable()
    return [min(max(each, -(1 << 20)), 1 << 20) for each in found]


def _unusable() -> NotConvertible:
    return NotConvertible("the presentation state has a shutter that cannot be used")
