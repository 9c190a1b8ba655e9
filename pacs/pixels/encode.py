"""Encoding rendered pictures as files that browsers show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from io import BytesIO
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

from pacs.dicom.header import Header
from pacs.dicom.image import DecodedFrame
from pacs.errors import NotConvertible
from pacs.pixels.colour import colour
from pacs.pixels.picture import Picture
from pacs.pixels.samples import single_bits, unsigned

_FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "image/jpeg": "JPEG",
        "image/png": "PNG",
        "image/webp": "WEBP",
        "image/gif": "GIF",
        "image/jp2": "JPEG2000",
    }
)
MEDIA_TYPES = frozenset(_FORMATS)
ANIMATED = frozenset({"image/gif", "image/webp"})
"""Media types that hold several pictures."""

MOST_ANIMATED_BYTES = 256 << 20
"""Bytes of the pixels of all pictures of an animation together."""
_LONGEST_SIDE = {"JPEG": 65500, "WEBP": 16383, "GIF": 65535}
_DEFAULT_MILLISECONDS = 100


def encode(
    pictures: Picture | Iterable[Picture], media_type: str, quality: int = 90, milliseconds: int = 0
) -> bytes:
    """One file. Several pictures need a media type of `ANIMATED` and `milliseconds` between them.

    They are taken from the iterator one by one, which stops at the limit.
    """
    name = _FORMATS.get(media_type)
    if name is None:
        raise NotConvertible(f"images cannot be encoded as {media_type} here")
    found = [pictures] if isinstance(pictures, Picture) else _bounded(pictures)
    if not found or (len(found) > 1 and media_type not in ANIMATED):
        raise NotConvertible(f"{media_type} holds one picture")
    if max(found[0].width, found[0].height) > _LONGEST_SIDE.get(name, 1 << 31):
        raise NotConvertible(f"{media_type} holds no picture that large")
    options = _options(name, quality, found[0])
    if len(found) > 1:
        rest = (Image.fromarray(picture.pixels) for picture in found[1:])
        duration = milliseconds or _DEFAULT_MILLISECONDS
        options |= {"save_all": True, "append_images": rest, "duration": duration, "loop": 0}
    return _saved(Image.fromarray(found[0].pixels), name, options)


def _bounded(pictures: Iterable[Picture]) -> list[Picture]:
    found: list[Picture] = []
    size = 0
    for picture in pictures:
        size += picture.pixels.size
        if found and size > MOST_ANIMATED_BYTES:
            raise NotConvertible("the animation is too large; ask for fewer frames or a smaller viewport")
        found.append(picture)
    return found


def _options(name: str, quality: int, picture: Picture) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if name == "JPEG":
        options = {"quality": min(max(quality, 1), 100), "subsampling": 0 if quality > 90 else -1}
    elif name == "WEBP":
        options = {"quality": min(max(quality, 1), 100), "method": 2}
    elif name == "PNG":
        options = {"compress_level": 3}
    elif name == "JPEG2000":  # lossless: lossy coding might drop a single bright pixel
        options = {"irreversible": False, "no_jp2": False}
    if picture.icc is not None and name in ("JPEG", "PNG", "WEBP"):
        options["icc_profile"] = picture.icc
    return options


def _saved(image: Image.Image, name: str, options: dict[str, Any]) -> bytes:
    file = BytesIO()
    try:
        image.save(file, name, **options)
    except (OSError, ValueError) as fault:
        raise NotConvertible(f"the picture cannot be encoded: {fault}") from fault
    return file.getvalue()


def stored_png(header: Header, frame: DecodedFrame) -> bytes:
    """The stored values: grey of 8 or 16 bits (two's complement if signed), single bits as 0 and 1, or RGB of
    8 bits."""
    image = frame.image
    if image.samples_per_pixel == 3 and image.bits_stored <= 8:
        return _saved(Image.fromarray(colour(header, frame)), "PNG", {"compress_level": 3})
    if image.samples_per_pixel != 1 or image.bits_allocated not in (1, 8, 16):
        raise NotConvertible("PNG does not hold samples of this kind")
    values = single_bits(frame) if image.bits_allocated == 1 else unsigned(header, frame)
    if image.pixel_representation and image.bits_stored < image.bits_allocated:
        sign = values.dtype.type(1 << image.bits_stored - 1)
        values = (values ^ sign) - sign
    return _saved(Image.fromarray(np.ascontiguousarray(values)), "PNG", {"compress_level": 3})
