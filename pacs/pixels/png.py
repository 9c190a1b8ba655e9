"""PNG, which DICOM does not encapsulate: decoded to native pixels."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image

from pacs.dicom.image import DecodedFrame, ImagePixel
from pacs.errors import InvalidDataSet, LimitExceeded

MAX_PIXELS = 1 << 26
"""Pixels of one image; with the decoder's working memory that is some 500 MB."""
_GREY = ("1", "L", "LA")
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def decode_png(data: bytes) -> DecodedFrame:
    """Grey of 8 or 16 bits, or RGB of 8; transparency is dropped. `InvalidDataSet` when damaged."""
    with _opened(data) as image:
        return DecodedFrame(_described(image), _samples(image))


def png_image(data: bytes) -> ImagePixel:
    """What `decode_png` would make of it, from its header alone."""
    with _opened(data) as image:
        return _described(image)


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    if not data.startswith(SIGNATURE):
        raise InvalidDataSet("this is not a PNG")
    columns, rows = (int.from_bytes(data[at : at + 4]) for at in (16, 20))
    if rows * columns > MAX_PIXELS:
        raise LimitExceeded(f"the image has more than {MAX_PIXELS} pixels")
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            yield image
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InvalidDataSet("the PNG is damaged") from error


def _described(image: Image.Image) -> ImagePixel:
    if not (0 < image.width < 1 << 16 and 0 < image.height < 1 << 16):
        raise InvalidDataSet("the image is empty or has more than 65535 rows or columns")
    if _is_deep(image):
        return ImagePixel(image.height, image.width, 16, 16)
    if image.mode in _GREY:
        return ImagePixel(image.height, image.width, 8, 8)
    return ImagePixel(image.height, image.width, 8, 8, 3, 0, 0, "RGB")


def _samples(image: Image.Image) -> bytes:
    if _is_deep(image):
        return np.asarray(image).astype("<u2").tobytes()
    return image.convert("L" if image.mode in _GREY else "RGB").tobytes()


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith("I")
