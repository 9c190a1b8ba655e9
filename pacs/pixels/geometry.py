"""Fitting a picture, or a region of it, into a viewport: cropped, mirrored, in the patient's proportions
(PS3.18 §8.3.5.1.3)."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from pacs.dicom.header import Header
from pacs.errors import BadInput
from pacs.pixels.parameters import Region, Viewport
from pacs.pixels.picture import Picture

_ASPECT_ATTRIBUTES = ("PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_FLATTEST = 16.0


def fitted(picture: Picture, viewport: Viewport, aspect: float) -> Picture:
    """Scaled to the largest size that fits. `aspect`: height of a pixel divided by its width."""
    if not viewport.is_possible:
        raise BadInput("the viewport is empty or too large")
    region = viewport.source or Region(0, 0, picture.width, picture.height)
    left, top = max(region.x, 0.0), max(region.y, 0.0)
    right = min(region.x + abs(region.width), picture.width)
    bottom = min(region.y + abs(region.height), picture.height)
    if right <= left or bottom <= top:
        raise BadInput("the region of the viewport holds no pixel of the image")
    width, height = right - left, (bottom - top) * aspect
    scale = min(viewport.width / width, viewport.height / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image = Image.fromarray(picture.pixels).resize(
        size, Image.Resampling.BILINEAR, (left, top, right, bottom)
    )
    image = ImageOps.mirror(image) if region.width < 0 else image
    image = ImageOps.flip(image) if region.height < 0 else image
    return Picture(np.asarray(image), picture.icc)


def pixel_aspect(header: Header) -> float:
    """Height of a pixel divided by its width; 1 when absent or implausible (PS3.3 §C.7.6.3.1.7)."""
    measures = (header.item("SharedFunctionalGroupsSequence", 0) or header).item("PixelMeasuresSequence", 0)
    for holder in (header, *((measures,) if measures else ())):
        for attribute in _ASPECT_ATTRIBUTES:
            match holder.values(attribute):
                case [int() | float() as height, int() | float() as width] if width > 0 and height > 0:
                    return plausible(height / width)
    return 1.0


def plausible(aspect: float) -> float:
    return min(max(aspect, 1 / _FLATTEST), _FLATTEST)
