"""The stored values of a frame as an array (PS3.5 §8.1.1).

A grey frame of up to 16 bits becomes codes and the value of each code, so that every later stage
works on the values between its extremes, at most 65536, and the pixels are looked up once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pacs.dicom.header import Header
from pacs.dicom.image import DecodedFrame, ImagePixel
from pacs.errors import NotConvertible
from pacs.pixels.frame import DOUBLE_FLOAT_PIXEL_DATA, FLOAT_PIXEL_DATA
from pacs.pixels.picture import Octets

Values = NDArray[Any]

_FLOATS = {FLOAT_PIXEL_DATA: "<f4", DOUBLE_FLOAT_PIXEL_DATA: "<f8"}
_UNSIGNED = {8: "u1", 16: "<u2", 32: "<u4", 64: "<u8"}
_JPEG_FAMILY = "1.2.840.10008.1.2.4."
"""Transfer syntaxes whose codestreams hold the stored bits only, without neighbouring overlay bits."""
_BLOCK = 1 << 20
"""Pixels transformed at a time, which bounds temporary memory whatever the size of the frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Grey:
    """The values by code, and the code of each pixel; without `codes`, `values` holds each pixel's own."""

    values: Values
    codes: Values | None = None
    between_extremes: bool = False
    """The values ascend, and the first and the last of them occur."""

    @property
    def is_float(self) -> bool:
        return self.values.dtype.kind == "f"

    def mapped(self, stage: Callable[[Values], Octets]) -> Octets:
        """Each pixel passed through `stage`, which maps each value independently."""
        if self.codes is None:
            return _blockwise(stage, self.values)
        table = stage(self.values)
        return _blockwise(table.take, self.codes)

    def occurring(self) -> Values:
        """The finite values that occur; each once when there are codes."""
        if self.codes is None:
            found: Values = self.values[np.isfinite(self.values)]
            return found
        present = np.zeros(len(self.values), bool)
        present[self.codes] = True
        return self.values[present]


def _blockwise(stage: Callable[[Values], Octets], source: Values) -> Octets:
    flat = source.reshape(-1)
    result = np.empty(flat.shape, np.uint8)
    for start in range(0, len(flat), _BLOCK):
        result[start : start + _BLOCK] = stage(flat[start : start + _BLOCK])
    return result.reshape(source.shape)


def grey(header: Header, frame: DecodedFrame) -> Grey:
    """One sample a pixel: integers, single bits or floating point."""
    image = frame.image
    pixel_data = header.pixel_data
    if pixel_data is not None and pixel_data.tag in _FLOATS:
        return Grey(_array(image, frame.data, _FLOATS[pixel_data.tag]))
    if image.bits_allocated == 1:
        return Grey(np.arange(2), single_bits(frame))
    raw, stored = unsigned(header, frame), image.bits_stored
    if stored <= 8:
        return Grey(_signed(np.arange(1 << stored), image), raw)
    if stored <= 16:
        return _between_extremes(_signed(raw.astype(np.uint16, copy=False), image))
    return Grey(_signed(raw.astype(np.int64), image))


def single_bits(frame: DecodedFrame) -> Octets:
    rows, columns = frame.image.rows, frame.image.columns
    bits = np.unpackbits(np.frombuffer(frame.data, "u1"), bitorder="little")
    return bits[: rows * columns].reshape(rows, columns)


def _between_extremes(samples: Values) -> Grey:
    """Codes from the lowest sample to the highest, because most images use a small part of the range."""
    low, high = (int(samples.min()), int(samples.max())) if samples.size else (0, 0)
    return Grey(np.arange(low, high + 1), (samples - low).view(np.uint16), between_extremes=True)


def unsigned(header: Header, frame: DecodedFrame) -> Values:
    """The Bits Stored below High Bit of each sample, as if unsigned, in the layout of the bytes."""
    image = frame.image
    allocated, stored = image.bits_allocated, image.bits_stored
    if allocated not in _UNSIGNED:
        raise NotConvertible(
            f"Bits Allocated is {allocated}: only samples of 1, 8, 16, 32 or 64 bits are rendered, "
            "none that are packed as in ACR-NEMA"
        )
    if not 0 < stored <= allocated or stored > 63:
        raise NotConvertible(f"samples of {stored} bits in {allocated} are not rendered")
    raw = np.frombuffer(frame.data, _UNSIGNED[allocated])
    if image.samples_per_pixel == 1:
        raw = _array(image, frame.data, _UNSIGNED[allocated])
    unused = header.integer("HighBit", stored - 1) + 1 - stored
    if 0 < unused <= allocated - stored and not header.transfer_syntax.startswith(_JPEG_FAMILY):
        raw = raw >> unused
    return raw if stored == allocated else raw & raw.dtype.type((1 << stored) - 1)


def contained(image: ImagePixel, raw: bytes) -> bool:
    """Whether every sample fits into Bits Stored bits."""
    kind = "i" if image.pixel_representation else "u"
    samples = np.frombuffer(raw, f"<{kind}{image.bits_allocated // 8}")
    low, high = (0, 1 << image.bits_stored)
    if image.pixel_representation:
        low, high = -(high >> 1), high >> 1
    return bool(low <= int(samples.min()) and int(samples.max()) < high)


def _array(image: ImagePixel, data: bytes, dtype: str) -> Values:
    samples = np.frombuffer(data, dtype)
    if len(samples) != image.rows * image.columns:
        raise NotConvertible("the length of the pixel data does not match rows, columns and bits")
    return samples.reshape(image.rows, image.columns)


def _signed(codes: Values, image: ImagePixel) -> Values:
    """Two's complement of Bits Stored bits when Pixel Representation says so."""
    if not image.pixel_representation:
        return codes
    sign = 1 << image.bits_stored - 1
    signed: Values = (codes ^ sign) - sign
    return signed.view(np.int16) if signed.dtype == np.uint16 else signed
