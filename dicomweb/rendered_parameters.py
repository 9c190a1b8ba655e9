"""The query parameters of rendering (PS3.18 §8.3.5.1): honoured, or refused as malformed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import inf, isfinite

from pacs.errors import BadInput
from pacs.pixels.parameters import (
    DEFAULT_PARAMETERS,
    Annotation,
    Function,
    IccProfile,
    Region,
    RenderParameters,
    Viewport,
    Window,
)

LARGEST_SIDE = 16_384
"""Pixels of a viewport."""
_NUMBER = re.compile(r"[+-]?(?:\d{1,16}(?:\.\d{0,16})?|\.\d{1,16})(?:[eE][+-]?\d{1,3})?", re.ASCII)


def render_parameters(given: Mapping[str, str]) -> RenderParameters:
    """Absent parameters leave the choice to the data set."""
    return RenderParameters(
        window=_window(given["window"]) if given.get("window") else None,
        viewport=viewport(given["viewport"]) if given.get("viewport") else None,
        annotations=annotated(given.get("annotation", "")),
        quality=quality(given.get("quality")),
        icc=_icc(given["iccprofile"]) if given.get("iccprofile") else IccProfile.YES,
    )


def number(text: str, name: str) -> float:
    text = text.strip()
    if not _NUMBER.fullmatch(text) or not isfinite(float(text)):
        raise BadInput(f"{name} must be a number")
    return float(text)


def integer(text: str, name: str, least: int, most: int) -> int:
    if not re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII) or not least <= int(text) <= most:
        raise BadInput(f"{name} must be a number from {least} to {most}")
    return int(text)


def window(center: str, width: str, function: str = "linear") -> Window:
    """PS3.18 §8.3.5.1.2. A linear window is at least 1 wide, any other wider than 0 (PS3.3 §C.11.2.1)."""
    try:
        shape = Function(function.strip().upper().replace("-", "_"))
    except ValueError:
        raise BadInput("the function of a window is linear, linear-exact or sigmoid") from None
    found = Window(number(center, "the window's center"), number(width, "the window's width"), shape)
    if found.width < 1 if shape is Function.LINEAR else found.width <= 0:
        raise BadInput("the window is too narrow")
    return found


def _window(text: str) -> Window:
    parts = text.split(",")
    if not 2 <= len(parts) <= 3:
        raise BadInput("window is center,width,function")
    return window(*parts)


def viewport(text: str) -> Viewport:
    """`vw,vh`, or with the region of the image to be shown: `vw,vh,sx,sy,sw,sh` (§8.3.5.1.3).

    Empty parts default to the image's own corner and edges.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (2, 6):
        raise BadInput("viewport is width,height or width,height,x,y,width,height of the source")
    width, height = (integer(part, "the viewport's side", 1, LARGEST_SIDE) for part in parts[:2])
    if not any(parts[2:]):
        return Viewport(width, height)
    x, y = (number(part or "0", "the viewport's source") for part in parts[2:4])
    sides = (number(part, "the viewport's source") if part else inf for part in parts[4:])
    region = Region(x, y, *sides)
    if region.x < 0 or region.y < 0 or not region.width or not region.height:
        raise BadInput("the viewport's source holds no pixel")
    return Viewport(width, height, region)


def annotated(text: str) -> frozenset[Annotation]:
    try:
        return frozenset(Annotation(each.strip().lower()) for each in text.split(",") if each.strip())
    except ValueError:
        raise BadInput("annotation is patient, technique or both") from None


def quality(text: str | None) -> int:
    return integer(text, "quality", 1, 100) if text else DEFAULT_PARAMETERS.quality


def _icc(text: str) -> IccProfile:
    try:
        return IccProfile(text.strip().lower())
    except ValueError:
        raise BadInput("iccprofile is no, yes or srgb") from None
