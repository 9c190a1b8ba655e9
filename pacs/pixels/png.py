"""PNG, which DICOM does not encapsulate: decoded to native pixels."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from pacs.dicom.image import DecodedFrame, ImagePixel
from pacs.errors import InvalidDataSet, LimitExceeded

MAX_PIXELS = 1 << 26
"""Pixels of one image; with the decoder's working memory that is some 500 MB."""
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def decode_png(data: bytes) -> DecodedFrame:
    """Grey of 8 or 16 bits, or RGB of 8; transparency is dropped. `InvalidDataSet` when damaged."""
    if not data.startswith(SIGNATURE):
        raise InvalidDataSet("this is not a PNG")
    columns, rows = (int.from_bytes(data[at : at + 4]) for at in (16, 20))
    if rows * columns > MAX_PIXELS:
        raise LimitExceeded(f"the image has more than {MAX_PIXELS} pixels")
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            return _frame(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InvalidDataSet("the PNG is damaged") from error


def _frame(image: Image.Image) -> DecodedFrame:
    if not (0 < image.width < 1 << 16 and 0 < image.height < 1 << 16):
        raise InvalidDataSet("the image is empty or has more than 65535 rows or columns")
    if image.mode.startswith("I"):
        samples = np.asarray(image).astype("<u2")
        described = ImagePixel(image.height, image.width, 16, 16)
        return DecodedFrame(described, samples.tobytes())
    grey = image.mode in ("1", "L", "LA")
    pixels = image.convert("L" if grey else "RGB").tobytes()
    colour = "MONOCHROME2" if grey else "RGB"
    described = ImagePixel(image.height, image.width, 8, 8, 1 if grey else 3, 0, 0, colour)
    return DecodedFrame(described, pixels)
