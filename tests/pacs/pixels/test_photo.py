"""Which pictures are kept as they are, and what the others become."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pacs.errors import InvalidDataSet
from pacs.pixels.photo import is_picture, read_picture

JPEG_BASELINE, EXPLICIT = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.1"
TURNED = 6
"""Exif: the camera was held so that the picture has to be turned by 90° clockwise."""


def picture(mode: str = "RGB", kind: str = "JPEG", **how: Any) -> bytes:
    """24 wide, 16 high, bright on its left half."""
    samples = np.zeros((16, 24), "u1")
    samples[:, :12] = 200
    written = io.BytesIO()
    Image.fromarray(samples).convert(mode).save(written, kind, **how)
    return written.getvalue()


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    return made


@pytest.mark.parametrize(
    ("data", "syntax", "colour", "size", "lossy"),
    [
        (picture(), JPEG_BASELINE, "YBR_FULL_422", (16, 24), True),
        (picture("L"), JPEG_BASELINE, "MONOCHROME2", (16, 24), True),
        (picture(exif=exif(1)), JPEG_BASELINE, "YBR_FULL_422", (16, 24), True),
        (picture(exif=exif(TURNED)), EXPLICIT, "RGB", (24, 16), True),
        (picture(progressive=True), EXPLICIT, "RGB", (16, 24), True),
        (picture("L", progressive=True), EXPLICIT, "MONOCHROME2", (16, 24), True),
        (picture("CMYK"), EXPLICIT, "RGB", (16, 24), True),
        (picture("RGB", "PNG"), EXPLICIT, "RGB", (16, 24), False),
        (picture("L", "PNG"), EXPLICIT, "MONOCHROME2", (16, 24), False),
        (picture("P", "PNG"), EXPLICIT, "RGB", (16, 24), False),
        (picture("RGBA", "PNG"), EXPLICIT, "RGB", (16, 24), False),
    ],
)
def test_what_a_picture_becomes(
    data: bytes, syntax: str, colour: str, size: tuple[int, int], lossy: bool
) -> None:
    assert is_picture(data)
    found = read_picture(data)
    assert (found.transfer_syntax, found.image.photometric_interpretation) == (syntax, colour)
    assert ((found.image.rows, found.image.columns), found.lossy, found.file) == (size, lossy, data)
    assert found.is_kept == (syntax == JPEG_BASELINE)
    assert found.data == data if found.is_kept else len(found.data) == found.image.frame_size


def test_a_picture_is_turned_as_its_camera_was() -> None:
    turned = read_picture(picture("L", exif=exif(TURNED)))
    shown = np.frombuffer(turned.data, "u1").reshape(24, 16)
    assert shown[:10].mean() > 180 and shown[14:].mean() < 20


@pytest.mark.parametrize("data", [b"\xff\xd8\xff\xe0 no more", picture("RGB", "PNG")[:60], picture()[:40]])
def test_what_is_damaged_is_refused(data: bytes) -> None:
    assert is_picture(data)
    with pytest.raises(InvalidDataSet):
        read_picture(data)


@pytest.mark.parametrize(
    "head", [b"", b"GIF89a", b"\xff\xd8\xff".ljust(128, b"\0") + b"DICM", bytes(128) + b"DICM"]
)
def test_what_is_no_picture(head: bytes) -> None:
    assert not is_picture(head)
