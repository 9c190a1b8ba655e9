"""The grayscale pipeline: Modality LUT, VOI LUT, Presentation LUT Shape (PS3.4 §N.2, PS3.3 §C.11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from sys import float_info

import numpy as np
from numpy.typing import NDArray

from pacs.dicom.header import Header
from pacs.dicom.image import DecodedFrame, ImagePixel
from pacs.pixels.functional_groups import holders
from pacs.pixels.lut import Lut, lut
from pacs.pixels.parameters import Function, Window
from pacs.pixels.picture import Octets
from pacs.pixels.samples import Grey, Values, grey

Stage = Callable[[Values], Values]
Unit = NDArray[np.float64]
"""Brightness from 0 to 1."""
_PADDED = ("", "Float", "DoubleFloat")
Voi = Callable[[Values], Unit]


def render_grey(header: Header, frame: DecodedFrame, number: int, wanted: Window | None) -> Octets:
    stored = grey(header, frame)
    modality = modality_lut(header, number)
    voi = wanted or voi_lut(header, number) or _natural_window(header, stored, frame.image, modality)
    brightness_of = windowed(voi, stored.is_float) if isinstance(voi, Window) else voi
    inverse = is_inverse(header, frame.image)

    def stage(values: Values) -> Octets:
        brightness = brightness_of(modality(values))
        return octets(1 - brightness if inverse else brightness)

    return stored.mapped(stage)


def octets(brightness: Unit) -> Octets:
    """NaN becomes black."""
    return np.nan_to_num(brightness * 255 + 0.5, copy=False).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Rescale:
    slope: float = 1.0
    intercept: float = 0.0

    def __call__(self, values: Values) -> Values:
        """In double precision: the span of single-precision values can exceed their range."""
        return np.multiply(values, self.slope, dtype=np.float64) + self.intercept


def modality_lut(header: Header, number: int) -> Stage:
    """§C.11.1, in floating point. A slope of zero, which would make the image uniform, is ignored."""
    if (item := header.item("ModalityLUTSequence", 0)) and (table := lut(item)):
        return lambda values: table(values).astype(np.float64)
    for holder in holders(header, number, "PixelValueTransformationSequence"):
        slope, intercept = (holder.number(name) for name in ("RescaleSlope", "RescaleIntercept"))
        if slope is not None or intercept is not None:
            return Rescale(slope or 1.0, intercept or 0.0)
    return Rescale()


def voi_lut(header: Header, number: int) -> Window | Voi | None:
    """§C.11.2: the first table, else the first usable window."""
    for holder in holders(header, number, "FrameVOILUTSequence"):
        if (item := holder.item("VOILUTSequence", 0)) and (table := lut(item)):
            return scaled(table)
        if window := _window(holder):
            return window
    return None


def scaled(table: Lut) -> Voi:
    """The table's output as brightness."""
    bits = table.descriptor.bits
    top = (1 << bits) - 1 if 8 <= bits <= 16 else max(int(table.data.max()), 1)
    return lambda values: np.minimum(table(values) / top, 1.0)


def _window(holder: Header) -> Window | None:
    center, width = (holder.number(name) for name in ("WindowCenter", "WindowWidth"))
    if center is None or width is None or width <= 0:
        return None
    said = holder.trimmed("VOILUTFunction")
    return Window(center, width, Function(said) if said in set(Function) else Function.LINEAR)


def windowed(window: Window, is_float: bool = False) -> Voi:
    """§C.11.2.1.2 and §C.11.2.1.3; a window of zero width is a threshold.

    LINEAR counts integer steps. For floating point and for windows narrower than one step, as PET
    images have, LINEAR_EXACT is used.
    """
    center, width = window.center, window.width
    if window.function is Function.LINEAR and not is_float and not 0 < width < 1:
        center, width = center - 0.5, width - 1
    if width <= 0:
        return lambda values: (values > center).astype(np.float64)
    if window.function is Function.SIGMOID:
        return lambda values: 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700)))
    return lambda values: np.clip((values - center) / width + 0.5, 0.0, 1.0)


def _natural_window(header: Header, stored: Grey, image: ImagePixel, modality: Stage) -> Window:
    """The whole range of 8-bit and 1-bit images, which are made for display; else the values that occur."""
    for_display = image.bits_stored in (1, 8) and not image.pixel_representation
    if "SegmentationType" in header:
        seen = np.array([0.0, _certain(header, stored)])
    elif for_display and stored.codes is not None:
        seen = stored.values
    else:
        seen = _seen(stored, _padding(header), isinstance(modality, Rescale))
    if isinstance(modality, Rescale) and len(seen):
        seen = np.array([seen.min(), seen.max()])
    values = modality(seen)
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    return Window(low / 2 + high / 2, min(high - low, float_info.max), Function.LINEAR_EXACT)


def _seen(stored: Grey, padding: tuple[float, float] | None, monotonic: bool) -> Values:
    """The values that occur, except padding; just the extremes if `monotonic`."""
    low, high = padding or (np.inf, -np.inf)
    extremes = stored.values[[0, -1]] if stored.between_extremes and monotonic else None
    if extremes is not None and not ((low <= extremes) & (extremes <= high)).any():
        return extremes
    occurring = stored.occurring()
    unpadded = occurring[(occurring < low) | (occurring > high)]
    return unpadded if len(unpadded) else occurring


def _certain(header: Header, stored: Grey) -> float:
    """The value of a pixel that its segment fills (PS3.3 §C.8.20.2.3); in label maps, the last segment."""
    return header.number("MaximumFractionalValue") or max(1.0, float(stored.occurring().max(initial=0)))


def _padding(header: Header) -> tuple[float, float] | None:
    """Pixel Padding Value, or the range up to its limit (PS3.3 §C.7.5.1.1.2, §C.7.6.24, §C.7.6.25)."""
    for kind in _PADDED:
        padding, limit = (header.number(f"{kind}PixelPadding{word}") for word in ("Value", "RangeLimit"))
        if padding is not None:
            end = padding if limit is None else limit
            return min(padding, end), max(padding, end)
    return None


def is_inverse(header: Header, image: ImagePixel) -> bool:
    """Presentation LUT Shape, where present, overrides Photometric Interpretation (§C.11.6)."""
    shape = header.trimmed("PresentationLUTShape")
    if shape in ("IDENTITY", "INVERSE"):
        return shape == "INVERSE"
    return image.photometric_interpretation == "MONOCHROME1"
