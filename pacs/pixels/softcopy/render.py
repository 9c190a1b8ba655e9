"""A frame as a presentation state shows it (PS3.4 §N.2)."""

from __future__ import annotations

import numpy as np

from pacs.dicom.header import Header
from pacs.dicom.image import DecodedFrame
from pacs.errors import BadInput, NotConvertible
from pacs.pixels.annotate import annotated
from pacs.pixels.colour import colour, managed, profile
from pacs.pixels.overlay import OVERLAY_DATA, planes, stamped
from pacs.pixels.parameters import RenderParameters
from pacs.pixels.picture import Octets, Picture
from pacs.pixels.render import by_palette, check_size
from pacs.pixels.softcopy.drawing import drawn
from pacs.pixels.softcopy.geometry import displayed
from pacs.pixels.softcopy.graphics import is_coloured, layers_of, marks, unlisted
from pacs.pixels.softcopy.references import applying
from pacs.pixels.softcopy.shutters import shuttered
from pacs.pixels.softcopy.tones import toned

_ACTIVATION_LAYER = 0x1001


def presented(
    state: Header, image: Header, frame: DecodedFrame, number: int, parameters: RenderParameters
) -> Picture:
    """`frame` is frame `number` of `image`, counted from 0. The window is always the state's.

    `NotConvertible` when the state cannot be applied, `BadInput` when the parameters do not suit it.
    """
    check_size(frame)
    if parameters.window is not None:
        raise BadInput("a presentation state has its own window")
    _check(state)
    uid = image.trimmed("SOPInstanceUID")
    area, voi = (
        next(applying(state, sequence, uid, number + 1), None)
        for sequence in ("DisplayedAreaSelectionSequence", "SoftcopyVOILUTSequence")
    )
    with np.errstate(all="ignore"):
        pixels, icc = _pixels(state, voi, image, frame)
        if pixels.ndim == 2 and is_coloured(state):
            pixels = np.repeat(pixels[..., None], 3, axis=2)
        pixels = _with_overlays(state, image, frame, number, shuttered(state, image, pixels))
        shown = displayed(state, area, image, pixels, parameters.viewport)
        pixels = drawn(shown.picture(pixels), shown, marks(state, uid, number + 1))
    picture = managed(pixels, icc, parameters.icc) if pixels.ndim == 3 else Picture(pixels)
    return annotated(picture, image, number, parameters.annotations) if parameters.annotations else picture


def _check(state: Header) -> None:
    """Nothing of what angiography adds is supported."""
    natural = state.trimmed("RecommendedViewingMode") == "NAT"
    if "MaskSubtractionSequence" in state and not natural:
        raise NotConvertible("presentation states that subtract a mask are not applied here")
    if state.number("DisplayFilterPercentage"):
        raise NotConvertible("presentation states that enhance edges are not applied here")


def _pixels(
    state: Header, voi: Header | None, image: Header, frame: DecodedFrame
) -> tuple[Octets, bytes | None]:
    icc = profile(state) or profile(image)
    if frame.image.samples_per_pixel != 1:
        return colour(image, frame), icc
    if frame.image.photometric_interpretation == "PALETTE COLOR":
        return by_palette(image, frame), icc
    return toned(state, voi, frame, image), profile(state)


def _with_overlays(state: Header, image: Header, frame: DecodedFrame, number: int, pixels: Octets) -> Octets:
    """With the overlays that the state assigns a layer to, its own or the image's (PS3.3 §C.11.7)."""
    layers = layers_of(state)
    active = []
    for holder in (image, state):
        for base, plane in planes(holder, frame if holder is image else None, number):
            name = state.trimmed(base | _ACTIVATION_LAYER)
            replaced = holder is image and base | OVERLAY_DATA in state
            if name and not replaced:
                active.append((layers.get(name) or unlisted(name), plane))
    for layer, plane in sorted(active, key=lambda each: each[0].order):
        pixels = stamped(pixels, plane, layer.ink.on(pixels))
    return pixels
