"""Marks and words drawn on the finished picture, in its own pixels, outlined to stand out on any image."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import ceil

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pacs.pixels.annotate import in_ascii
from pacs.pixels.picture import Octets
from pacs.pixels.softcopy.geometry import Displayed, Points
from pacs.pixels.softcopy.graphics import Graphic, Layer, Words

_AROUND = np.linspace(0, 2 * np.pi, 181)[:, None]
_FINEST, _MOST_PIECES = 16, 100_000
"""Most straight pieces of a curve: between two points, and in total."""
_PICTURE_BY_LINE = 300
"""Pixels of the picture's longer side for each pixel of line width."""
_LARGEST_TEXT, _SMALLEST_TEXT = 200, 8
_LINES_A_PICTURE, _MOST_LINES = 32, 50
Colour = int | tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def drawn(pixels: Octets, shown: Displayed, marks: Iterable[tuple[Layer, Graphic | Words]]) -> Octets:
    image = Image.fromarray(pixels)
    pen = _Pen(image, shown)
    for layer, mark in marks:
        colour = layer.ink.on(pixels)
        if isinstance(mark, Graphic):
            pen.graphic(mark, colour)
        else:
            pen.words(mark, colour)
    return np.asarray(image)


class _Pen:
    def __init__(self, image: Image.Image, shown: Displayed) -> None:
        self._draw = ImageDraw.Draw(image)
        self._shown = shown
        self._size = np.array(image.size, np.float64)
        self._width = max(1, round(max(image.size) / _PICTURE_BY_LINE))

    def graphic(self, mark: Graphic, colour: Colour) -> None:
        points = mark.place.within(self._shown)
        if mark.kind == "POINT":
            self._dot(points[0], colour)
            return
        outline = _outline(mark.kind, points)
        if mark.filled and len(outline) > 2:
            self._line(outline, _edge(colour), self._width + 2)
            self._draw.polygon(_flat(np.clip(outline, -1e4, 1e5)), fill=colour, outline=colour)
        else:
            self._line(outline, _edge(colour), self._width + 2)
            self._line(outline, colour, self._width)

    def words(self, mark: Words, colour: Colour) -> None:
        text = "\n".join(in_ascii(line) for line in mark.text.splitlines()).strip("\n")
        anchor = mark.anchor.within(self._shown)[0] if mark.anchor else None
        if mark.box is not None:
            corners = np.sort(mark.box.within(self._shown), axis=0)
        else:
            corners = np.stack([anchor, anchor]) if anchor is not None else np.zeros((2, 2))
        if not self._near(corners):
            return
        if anchor is not None and mark.box is not None and mark.pointing:
            pointer = np.stack([anchor, np.clip(anchor, corners[0], corners[1])])
            self._line(pointer, _edge(colour), self._width + 2)
            self._line(pointer, colour, self._width)
        if text:
            self._text(text, corners, mark.alignment, colour)

    def _text(self, text: str, corners: Points, alignment: str, colour: Colour) -> None:
        room = corners[1] - corners[0]
        font, size = self._fitting(text, room) if room.all() else self._ordinary(text)
        spare = max(room[0] - size[0], 0)
        wanted = corners[0] + (spare * {"CENTER": 0.5, "RIGHT": 1.0}.get(alignment, 0.0), 0.0)
        left, top = np.clip(wanted, 0, np.maximum(self._size - size - 1, 0)).tolist()
        align = {"CENTER": "center", "RIGHT": "right"}.get(alignment, "left")
        self._draw.multiline_text(
            (left, top),
            text,
            fill=colour,
            font=font,
            align=align,
            anchor="la",
            stroke_width=1,
            stroke_fill=_edge(colour),
        )

    def _fitting(self, text: str, room: Points) -> tuple[Font, Points]:
        """The largest font in which the text fits, but a readable one: it may leave its box (§C.10.5)."""
        size = min(room[1] / (text.count("\n") + 1) / 1.2, self._size.max() / 10)
        font, taken = self._set(text, size)
        if taken[0] > room[0]:
            font, taken = self._set(text, size * room[0] / taken[0])
        return font, taken

    def _ordinary(self, text: str) -> tuple[Font, Points]:
        return self._set(text, self._size[1] / _LINES_A_PICTURE)

    def _set(self, text: str, size: float) -> tuple[Font, Points]:
        least = max(_SMALLEST_TEXT, self._size.max() / _MOST_LINES)
        font = ImageFont.load_default(min(int(max(size, least)), _LARGEST_TEXT))
        left, top, right, bottom = self._draw.multiline_textbbox((0, 0), text, font, "la")
        return font, np.array([right - left, bottom - top], np.float64)

    def _dot(self, at: Points, colour: Colour) -> None:
        if self._near(at[None]):
            column, row = np.floor(at).astype(int).tolist()
            reach = ceil(self._width / 2)
            around = (column - reach, row - reach, column + reach, row + reach)
            self._draw.ellipse(around, colour, _edge(colour) if reach > 1 else colour)

    def _line(self, points: Points, colour: Colour, width: int) -> None:
        for start, end in pairwise(points):
            visible = _clipped(start, end, self._size)
            if visible is not None:
                self._draw.line(_flat(visible), fill=colour, width=width)

    def _near(self, points: Points) -> bool:
        return bool((points.max(axis=0) >= 0).all() and (points.min(axis=0) <= self._size).all())


def _edge(colour: Colour) -> Colour:
    edge = 0 if np.mean(colour) > 127 else 255
    return edge if isinstance(colour, int) else (edge, edge, edge)


def _outline(kind: str, points: Points) -> Points:
    if kind == "CIRCLE":
        radius = np.hypot(*(points[1] - points[0]))
        circle: Points = points[0] + radius * np.hstack([np.cos(_AROUND), np.sin(_AROUND)])
        return circle
    if kind == "ELLIPSE":
        center = (points[0] + points[1]) / 2
        major, minor = (points[1] - points[0]) / 2, (points[3] - points[2]) / 2
        ellipse: Points = center + np.cos(_AROUND) * major + np.sin(_AROUND) * minor
        return ellipse
    return _curve(points) if kind == "INTERPOLATED" and len(points) > 2 else points


def _curve(points: Points) -> Points:
    """A Catmull-Rom spline: through all points, at each one parallel to the line between its neighbours."""
    closed = bool((points[0] == points[-1]).all())
    before, after = (points[-2], points[1]) if closed else (points[0], points[-1])
    line = np.concatenate([before[None], points, after[None]])
    p0, p1, p2, p3 = (line[i : len(line) - 3 + i] for i in range(4))
    steps = min(_FINEST, max(1, _MOST_PIECES // len(points)))
    t = np.linspace(0, 1, steps, endpoint=False)[:, None, None]
    pieces = 0.5 * (
        2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * (p1 - p2) + p3 - p0) * t**3
    )
    return np.concatenate([pieces.swapaxes(0, 1).reshape(-1, 2), points[-1:]])


def _clipped(start: Points, end: Points, size: Points) -> Points | None:
    """The visible part of a line (Liang-Barsky): drawing takes time even for what lies outside."""
    step, first, last = end - start, 0.0, 1.0
    for axis in (0, 1):
        low, high = -2.0 - start[axis], size[axis] + 2.0 - start[axis]
        if step[axis] == 0:
            if low > 0 or high < 0:
                return None
            continue
        enter, leave = sorted((low / step[axis], high / step[axis]))
        first, last = max(first, enter), min(last, leave)
    return np.stack([start + first * step, start + last * step]) if first <= last else None


def _flat(points: Points) -> list[int]:
    """Pillow takes pixel numbers, so each point becomes the pixel that it lies in."""
    flat: list[int] = np.floor(points).astype(int).reshape(-1).tolist()
    return flat
