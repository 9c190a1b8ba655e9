"""Overlay planes: bitmaps of their own, or a bit of each pixel that its value does not use
(PS3.3 §C.9.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pacs.dicom.header import Header
from pacs.dicom.image import DecodedFrame
from pacs.pixels.picture import Octets

_GROUPS = range(0x6000, 0x6020, 2)
_ROWS, _COLUMNS, _FRAMES, _ORIGIN, _FIRST_FRAME = 0x10, 0x11, 0x15, 0x50, 0x51
_BIT_POSITION, OVERLAY_DATA = 0x102, 0x3000
_WHITE = 255

Bits = NDArray[Any]


class Plane(NamedTuple):
    """Bits that belong at a row and a column of the image, counted from 0; either may be negative."""

    row: int
    column: int
    bits: Bits


def overlaid(header: Header, frame: DecodedFrame, place: int, pixels: Octets) -> Octets:
    """The pixels with every overlay of frame `place` (from 0) in white; the same array if there are none."""
    for _, plane in planes(header, frame, place):
        pixels = stamped(pixels, plane, _WHITE)
    return pixels


def stamped(pixels: Octets, plane: Plane, value: int | tuple[int, int, int]) -> Octets:
    painted = pixels.copy()
    row, column, bits = plane
    top, left = max(row, 0), max(column, 0)
    visible = bits[top - row :, left - column :]
    target = painted[top : top + visible.shape[0], left : left + visible.shape[1]]
    target[visible[: target.shape[0], : target.shape[1]]] = value
    return painted


def planes(header: Header, frame: DecodedFrame | None, place: int) -> Iterator[tuple[int, Plane]]:
    """Each overlay, with the first tag of its group. `frame`: None if there are no pixels to contain one."""
    for group in _GROUPS:
        base = group << 16
        if base | _ROWS not in header and base | _BIT_POSITION not in header:
            continue
        bits = (
            bitmap(header, base, place) if base | OVERLAY_DATA in header else _embedded(header, base, frame)
        )
        if bits is not None:
            origin = [value - 1 for value in header.values(base | _ORIGIN) if isinstance(value, int)]
            row, column = origin if len(origin) == 2 else (0, 0)
            yield base, Plane(row, column, bits)


def bitmap(header: Header, base: int, place: int) -> Bits | None:
    """Overlay Data of the group that begins at `base`."""
    rows, columns = header.integer(base | _ROWS, 0), header.integer(base | _COLUMNS, 0)
    frames, first = header.integer(base | _FRAMES, 1), header.integer(base | _FIRST_FRAME, 1)
    if base | _FRAMES in header or base | _FIRST_FRAME in header:
        place -= first - 1
    else:
        place = 0
    element, size = header.element(base | OVERLAY_DATA), rows * columns
    if element is None or not 0 <= place < max(frames, 1) or size <= 0:
        return None
    first_bit = place * size
    start, stop = first_bit // 8, (first_bit + size + 7) // 8
    if stop > element.length:
        return None
    data = header.source.read_at(element.offset + start, stop - start)
    bits = np.unpackbits(np.frombuffer(data, "u1"), bitorder="little")[first_bit % 8 :]
    return bits[:size].reshape(rows, columns).astype(bool)


def _embedded(header: Header, base: int, frame: DecodedFrame | None) -> Bits | None:
    if frame is None:
        return None
    image, position = frame.image, header.integer(base | _BIT_POSITION, 0)
    unsigned = {8: "u1", 16: "<u2", 32: "<u4"}.get(image.bits_allocated)
    if unsigned is None or image.samples_per_pixel != 1 or not 0 <= position < image.bits_allocated:
        return None
    high = header.integer("HighBit", image.bits_stored - 1)
    if high - image.bits_stored < position <= high:
        return None  # a bit of the value itself
    samples = np.frombuffer(frame.data, unsigned).reshape(image.rows, image.columns)
    return (samples >> position & 1).astype(bool)
