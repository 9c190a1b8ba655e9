"""From stored colour samples to RGB of eight bits (PS3.3 §C.7.6.3.1.2)."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from pacs.dicom.header import Header
from pacs.dicom.image import DecodedFrame
from pacs.errors import NotConvertible
from pacs.pixels.parameters import IccProfile
from pacs.pixels.picture import Octets, Picture
from pacs.pixels.samples import unsigned

_MOST_PROFILE = 16 << 20
_FULL = (1, 0, 1.402, -179.456, 1, -0.344136, -0.714136, 135.458816, 1, 1.772, 0, -226.816)
"""For red, green and blue: the factors of Y, Cb and Cr, and an offset. With a matrix, Pillow rounds to the
nearest level; its built-in YCbCr conversion is up to one too low."""
_PARTIAL = (
    *(1.164383, 0, 1.596027, -222.921584),
    *(1.164383, -0.391762, -0.812968, 135.575312),
    *(1.164383, 2.017232, 0, -276.835824),
)
"""ITU-R BT.601: luma from 16 to 235, chroma from 16 to 240."""


def colour(header: Header, frame: DecodedFrame) -> Octets:
    """Three samples a pixel; wider samples keep their upper eight bits."""
    image = frame.image
    space = image.photometric_interpretation or "RGB"
    if image.samples_per_pixel != 3:
        raise NotConvertible(f"images with {image.samples_per_pixel} samples a pixel are not rendered")
    samples = unsigned(header, frame)
    if image.bits_stored > 8:
        samples = samples >> image.bits_stored - 8
    elif image.bits_stored < 8:
        samples = samples * np.uint32(255) // np.uint32((1 << image.bits_stored) - 1)
    pixels = _shaped(frame, samples.astype(np.uint8, copy=False))
    if space in ("RGB", "YBR_RCT", "YBR_ICT"):
        return pixels
    if space in ("YBR_FULL", "YBR_FULL_422"):
        return _converted(pixels, _FULL)
    if space in ("YBR_PARTIAL_422", "YBR_PARTIAL_420"):
        return _converted(pixels, _PARTIAL)
    raise NotConvertible(f"the colour space {space[:16]!r} is not rendered")


def _shaped(frame: DecodedFrame, samples: Octets) -> Octets:
    image = frame.image
    rows, columns = image.rows, image.columns
    if len(samples) == rows * columns * 2 and image.photometric_interpretation.endswith("_422"):
        return _upsampled(samples, rows, columns)
    if len(samples) != rows * columns * 3:
        raise NotConvertible("the length of the pixel data does not match rows, columns and samples")
    if image.planar_configuration:
        return np.ascontiguousarray(samples.reshape(3, rows, columns).transpose(1, 2, 0))
    return samples.reshape(rows, columns, 3)


def _upsampled(samples: Octets, rows: int, columns: int) -> Octets:
    """YBR_FULL_422 is stored as Y1 Y2 Cb Cr; both pixels share the chroma."""
    if columns % 2:
        raise NotConvertible("subsampled chroma needs an even number of columns")
    pairs = samples.reshape(-1, 4)
    pixels = np.empty((len(pairs), 2, 3), np.uint8)
    pixels[:, :, 0] = pairs[:, :2]
    pixels[:, :, 1] = pairs[:, 2:3]
    pixels[:, :, 2] = pairs[:, 3:4]
    return pixels.reshape(rows, columns, 3)


def _converted(pixels: Octets, matrix: tuple[float, ...]) -> Octets:
    return np.asarray(Image.fromarray(pixels).convert("RGB", matrix))


def profile(header: Header) -> bytes | None:
    """ICC Profile of the image or of its first optical path (PS3.3 §C.11.15)."""
    path = header.item("OpticalPathSequence", 0)
    for holder in (header, path):
        element = holder.element("ICCProfile") if holder is not None else None
        if holder is not None and element is not None and 0 < element.length <= _MOST_PROFILE:
            return holder.raw("ICCProfile")
    return None


def managed(pixels: Octets, icc: bytes | None, wanted: IccProfile) -> Picture:
    """An image without a profile is taken to be in sRGB."""
    if wanted is IccProfile.NO:
        return Picture(pixels)
    if wanted is IccProfile.YES or icc is None:
        return Picture(pixels, icc)
    target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(icc))
        converted = ImageCms.profileToProfile(Image.fromarray(pixels), source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as fault:
        raise NotConvertible("the image's ICC profile cannot be used") from fault
    if converted is None:
        raise NotConvertible("the image's ICC profile cannot be used")
    return Picture(np.asarray(converted), target.tobytes())
