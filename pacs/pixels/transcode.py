"""Encoding one uncompressed frame in a compressed transfer syntax (PS3.5 §8.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from types import MappingProxyType

import numpy as np
import openjpeg.utils
from PIL import Image
from pydicom.uid import UID, JPEG2000Lossless, JPEGBaseline8Bit

from pacs.dicom.image import ImagePixel
from pacs.errors import NotConvertible
from pacs.pixels.samples import contained

_JPEG_QUALITY = 90
_UNSPECIFIED, _RGB = 0, 1
_SMALLEST_SIDE = 32
"""What the encoder's five levels of decomposition need."""
_JPEG_SPACES = {"RGB": "RGB", "YBR_FULL": "YCbCr", "MONOCHROME1": "L", "MONOCHROME2": "L"}


def encode_frame(transfer_syntax: str, image: ImagePixel, raw: bytes) -> bytes:
    """`raw`: little endian, as in `DecodedFrame`. Colour is transformed by the codestream itself.

    `NotConvertible` when the samples do not fit, or there is no encoder for this transfer syntax.
    """
    encoder = _ENCODERS.get(transfer_syntax)
    if encoder is None:
        raise NotConvertible(f"pixel data is not encoded in {UID(transfer_syntax).name} here")
    if len(raw) != image.frame_size:
        raise NotConvertible("the length of the frame does not match rows, columns and bits")
    if image.samples_per_pixel not in (1, 3):
        raise NotConvertible(f"{image.samples_per_pixel} samples a pixel are not encoded")
    if image.samples_per_pixel == 3 and image.planar_configuration:
        planes = np.frombuffer(raw, f"V{image.bits_allocated // 8}").reshape(3, -1)
        raw = planes.T.tobytes()
    try:
        return encoder(image, raw)
    except (OSError, RuntimeError, ValueError) as fault:
        raise NotConvertible(f"the frame cannot be encoded: {fault}") from fault


def _jpeg_baseline(image: ImagePixel, raw: bytes) -> bytes:
    mode = _JPEG_SPACES.get(image.photometric_interpretation)
    if (image.bits_allocated, image.bits_stored, image.pixel_representation) != (8, 8, 0) or mode is None:
        raise NotConvertible("JPEG baseline holds grey, RGB or YBR_FULL samples of eight unsigned bits")
    file = BytesIO()
    Image.frombytes(mode, (image.columns, image.rows), raw).save(
        file, "JPEG", quality=_JPEG_QUALITY, subsampling="4:2:2"
    )
    return file.getvalue()


def _jpeg_2000_lossless(image: ImagePixel, raw: bytes) -> bytes:
    """Only when every sample fits into Bits Stored: bits outside of it would be lost."""
    if image.bits_allocated not in (8, 16) or not contained(image, raw):
        raise NotConvertible("the samples have bits beyond Bits Stored, which JPEG 2000 would lose")
    if min(image.rows, image.columns) < _SMALLEST_SIDE:
        raise NotConvertible(f"JPEG 2000 is made of images of {_SMALLEST_SIDE} rows and columns or more")
    rgb = image.photometric_interpretation == "RGB"
    if image.bits_stored <= 8 < image.bits_allocated:
        raw = np.frombuffer(raw, "<u2").astype("u1").tobytes()
    encoded: bytes = openjpeg.utils.encode_buffer(
        raw,
        image.columns,
        image.rows,
        image.samples_per_pixel,
        image.bits_stored,
        bool(image.pixel_representation),
        photometric_interpretation=_RGB if rgb else _UNSPECIFIED,
    )
    return encoded


_ENCODERS: Mapping[str, Callable[[ImagePixel, bytes], bytes]] = MappingProxyType(
    {str(JPEGBaseline8Bit): _jpeg_baseline, str(JPEG2000Lossless): _jpeg_2000_lossless}
)
ENCODABLE = frozenset(_ENCODERS)
