"""A frame as a picture for people: one function for everything that has pixels (PS3.18 §8.3.5)."""

from __future__ import annotations

import numpy as np

from pacs.dicom.header import Header
from pacs.dicom.image import DecodedFrame
from pacs.errors import NotConvertible
from pacs.pixels.annotate import annotated
from pacs.pixels.colour import colour, managed, profile
from pacs.pixels.geometry import fitted, pixel_aspect
from pacs.pixels.grayscale import render_grey
from pacs.pixels.overlay import overlaid
from pacs.pixels.palette import is_supplemental, palette
from pacs.pixels.parameters import RenderParameters
from pacs.pixels.picture import Octets, Picture
from pacs.pixels.samples import grey

MOST_PIXELS = 128 << 20
"""Pixels of a frame that is rendered. The largest real ones, single-frame slides, have about 100 million."""
_GREY = ("MONOCHROME1", "MONOCHROME2", "")


def render(header: Header, frame: DecodedFrame, number: int, parameters: RenderParameters) -> Picture:
    """`frame` is frame `number` of `header`'s data set, counted from 0.

    `NotConvertible` when the data set describes pixels that cannot be shown,
    `BadInput` when the parameters do not suit this image.
    """
    check_size(frame)
    with np.errstate(all="ignore"):
        pixels, icc = _pixels(header, frame, number, parameters)
    if parameters.overlays:
        pixels = overlaid(header, frame, number, pixels)
    picture = managed(pixels, icc, parameters.icc) if pixels.ndim == 3 else Picture(pixels)
    if parameters.viewport is not None:
        picture = fitted(picture, parameters.viewport, pixel_aspect(header))
    return annotated(picture, header, number, parameters.annotations) if parameters.annotations else picture


def check_size(frame: DecodedFrame) -> None:
    if frame.image.rows * frame.image.columns > MOST_PIXELS:
        raise NotConvertible("a frame is larger than what is rendered here")


def _pixels(
    header: Header, frame: DecodedFrame, number: int, parameters: RenderParameters
) -> tuple[Octets, bytes | None]:
    """The pixels and the profile that says what their colours are."""
    image = frame.image
    if image.samples_per_pixel != 1:
        return colour(header, frame), profile(header)
    if image.photometric_interpretation == "PALETTE COLOR":
        return by_palette(header, frame), profile(header)
    if image.photometric_interpretation not in _GREY:
        raise NotConvertible(f"one sample a pixel is not {image.photometric_interpretation[:16]!r}")
    pixels = render_grey(header, frame, number, parameters.window)
    if is_supplemental(header):
        return _supplemented(header, frame, pixels), profile(header)
    return pixels, None


def by_palette(header: Header, frame: DecodedFrame) -> Octets:
    stored, colours = grey(header, frame), palette(header)
    if stored.codes is None:
        return colours(stored.values)
    return colours(stored.values)[stored.codes]


def _supplemented(header: Header, frame: DecodedFrame, pixels: Octets) -> Octets:
    stored, colours = grey(header, frame), palette(header)
    values = stored.values if stored.codes is None else stored.values[stored.codes]
    coloured = (values >= colours.first)[..., None]
    return np.where(coloured, colours(values), pixels[..., None])
