"""Pictures and frames encoded, and decoded again by others."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageSequence
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit

from pacs.dicom.image import ImagePixel
from pacs.dicom.part10 import read_part10
from pacs.errors import NotConvertible
from pacs.pixels.cine import frame_milliseconds
from pacs.pixels.decode import decode
from pacs.pixels.encode import ANIMATED, MEDIA_TYPES, encode, stored_png
from pacs.pixels.frame import read_frame
from pacs.pixels.parameters import DEFAULT_PARAMETERS
from pacs.pixels.picture import Picture
from pacs.pixels.tasks import Render, StoredPixels
from pacs.pixels.transcode import encode_frame
from tests.pacs.pixels.images import image, opened

GREY = Picture(np.add.outer(np.arange(60), np.arange(80)).astype("u1"))
COLOUR = Picture(np.stack([GREY.pixels, 255 - GREY.pixels, GREY.pixels // 2], -1), b"a profile")
NOISE = np.random.default_rng(7)


@pytest.mark.parametrize("media_type", sorted(MEDIA_TYPES))
@pytest.mark.parametrize("picture", [GREY, COLOUR], ids=["grey", "colour"])
def test_a_picture_comes_back(media_type: str, picture: Picture) -> None:
    with Image.open(BytesIO(encode(picture, media_type))) as decoded:
        assert decoded.get_format_mimetype() == media_type
        mode = "L" if picture is GREY else "RGB"
        found = np.asarray(decoded.convert(mode)).astype(int)
    assert found.shape == picture.pixels.shape
    assert abs(found.mean((0, 1)) - picture.pixels.mean((0, 1))).max() < 2


@pytest.mark.parametrize("media_type", ["image/png", "image/jp2"])
def test_what_loses_nothing(media_type: str) -> None:
    assert (np.asarray(Image.open(BytesIO(encode(COLOUR, media_type)))) == COLOUR.pixels).all()


@pytest.mark.parametrize("media_type", sorted(MEDIA_TYPES))
def test_a_single_bright_pixel_stays(media_type: str) -> None:
    """As a calcification is; an encoder that counts the error of the whole picture drops it."""
    dark = np.zeros((512, 512), "u1")
    dark[200, 300] = 255
    with Image.open(BytesIO(encode(Picture(dark), media_type))) as decoded:
        assert np.asarray(decoded.convert("L"))[200, 300] > 200


def test_quality_costs() -> None:
    noise = Picture(NOISE.integers(0, 256, (64, 64)).astype("u1"))
    for media_type in ("image/jpeg", "image/webp"):
        assert len(encode(noise, media_type, 10)) < len(encode(noise, media_type, 95))


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/webp"])
def test_the_profile_is_in_the_file(media_type: str) -> None:
    assert Image.open(BytesIO(encode(COLOUR, media_type))).info["icc_profile"] == b"a profile"


@pytest.mark.parametrize("media_type", sorted(ANIMATED))
def test_several_pictures_follow_each_other(media_type: str) -> None:
    steps = [Picture(np.full((20, 30), level, "u1")) for level in (0, 100, 200)]
    with Image.open(BytesIO(encode(steps, media_type, milliseconds=40))) as decoded:
        assert len(list(ImageSequence.Iterator(decoded))) == 3
        decoded.seek(2)
        decoded.load()
        assert decoded.info["duration"] == 40
        assert abs(np.asarray(decoded.convert("L")).mean() - 200) < 2


@pytest.mark.parametrize(
    ("pictures", "media_type"),
    [
        ([GREY, GREY], "image/jpeg"),
        ([], "image/gif"),
        (GREY, "image/tiff"),
        (Picture(np.zeros((1, 16384), "u1")), "image/webp"),
        (Picture(np.zeros((65501, 1), "u1")), "image/jpeg"),
        ([Picture(np.zeros((16384, 16384), "u1"))] * 2, "image/gif"),
    ],
)
def test_what_does_not_fit_is_refused(pictures: Picture | list[Picture], media_type: str) -> None:
    with pytest.raises(NotConvertible) as refused:
        encode(pictures, media_type)
    assert "broken" not in str(refused.value)


@pytest.mark.parametrize(
    ("attributes", "milliseconds"),
    [
        ({}, 0),
        ({"CineRate": 25}, 40),
        ({"RecommendedDisplayFrameRate": 50, "CineRate": 25}, 20),
        ({"FrameTime": "33.3"}, 33),
        ({"FrameTimeVector": [0, 20, 40]}, 30),
        ({"FrameTime": "0"}, 0),
        ({"FrameTime": "1e300"}, 10_000),
        ({"CineRate": 1_000_000}, 1),
    ],
)
def test_cine_rate(attributes: dict[str, Any], milliseconds: int) -> None:
    header, _ = opened(image(np.zeros((2, 2), "u1"), **attributes))
    assert frame_milliseconds(header) == milliseconds


@pytest.mark.parametrize(
    ("attributes", "milliseconds"),
    [({"FrameTimeVector": [0, 40, 40]}, 40), ({"FrameTime": "1e300"}, 10_000), ({}, 100)],
)
def test_an_animation_has_its_rate(attributes: dict[str, Any], milliseconds: int) -> None:
    dataset = image(np.arange(12, dtype="u1").reshape(6, 2), NumberOfFrames=3, **attributes)
    dataset.Rows = 2
    source = opened(dataset)[0].source
    part10 = read_part10(source)
    pixels = StoredPixels(part10.transfer_syntax, part10.dataset_offset, None)
    gif = Render(pixels, (0, 1, 2), DEFAULT_PARAMETERS, "image/gif").run(source)
    assert Image.open(BytesIO(gif)).info["duration"] == milliseconds


@pytest.mark.parametrize(
    ("pixels", "stored"),
    [
        (np.array([[0, 1000, 65535]], "<u2"), 16),
        (np.array([[-5, 0, 5]], "<i2"), 16),
        (np.array([[-5, 0, 5]], "<i2"), 12),
        (np.array([[0, 128, 255]], "u1"), 8),
        (np.array([[[1, 2, 3], [4, 5, 6]]], "u1"), 8),
    ],
)
def test_stored_values_as_png(pixels: np.ndarray, stored: int) -> None:
    header, index = opened(image(pixels, stored))
    png = Image.open(BytesIO(stored_png(header, read_frame(header, index, 0))))
    assert (np.asarray(png).astype(pixels.dtype) == pixels).all()


def test_single_bits_as_png() -> None:
    dataset = image(np.zeros((2, 5), "u1"), BitsAllocated=1, BitsStored=1, HighBit=0, NumberOfFrames=2)
    bits = np.array([[[0, 1, 0, 1, 1], [1, 0, 0, 0, 1]], [[1, 1, 1, 0, 0], [0, 0, 1, 0, 1]]], "u1")
    dataset.PixelData = np.packbits(bits, bitorder="little").tobytes() + b"\0"
    header, index = opened(dataset)
    for number, expected in enumerate(bits):
        png = Image.open(BytesIO(stored_png(header, read_frame(header, index, number))))
        assert np.asarray(png).tolist() == expected.tolist()


def test_values_too_wide_for_a_png_are_refused() -> None:
    header, index = opened(image(np.zeros((2, 2), "<u4")))
    with pytest.raises(NotConvertible):
        stored_png(header, read_frame(header, index, 0))


@st.composite
def frames(draw: st.DrawFn) -> tuple[ImagePixel, bytes]:
    stored, signed = draw(st.integers(2, 16)), draw(st.booleans())
    samples, photometric = draw(st.sampled_from([(1, "MONOCHROME2"), (3, "RGB"), (3, "YBR_FULL")]))
    rows, columns = draw(st.integers(32, 50)), draw(st.integers(32, 50))
    low, high = (-(1 << stored - 1), 1 << stored - 1) if signed else (0, 1 << stored)
    kind = f"<{'i' if signed else 'u'}{1 if stored <= 8 and draw(st.booleans()) else 2}"
    noise = np.random.default_rng(draw(st.integers(0, 99))).integers(low, high, rows * columns * samples)
    bits = 8 * np.dtype(kind).itemsize
    planar = draw(st.integers(0, samples // 3))
    described = ImagePixel(rows, columns, bits, stored, samples, int(signed), planar, photometric)
    return described, noise.astype(kind).tobytes()


@given(frames())
def test_lossless_means_pixel_identical(frame: tuple[ImagePixel, bytes]) -> None:
    described, raw = frame
    decoded = decode(JPEG2000Lossless, described, encode_frame(JPEG2000Lossless, described, raw))
    if described.planar_configuration:
        width = described.bits_allocated // 8
        raw = np.frombuffer(raw, f"V{width}").reshape(3, -1).T.tobytes()
    assert decoded.data == raw


@pytest.mark.parametrize("space", ["MONOCHROME2", "RGB", "YBR_FULL"])
def test_jpeg_baseline_is_near(space: str) -> None:
    pixels = GREY.pixels if space == "MONOCHROME2" else COLOUR.pixels
    described = ImagePixel(60, 80, 8, 8, 1 if pixels.ndim == 2 else 3, photometric_interpretation=space)
    encoded = encode_frame(JPEGBaseline8Bit, described, pixels.tobytes())
    decoded = Image.open(BytesIO(encoded))
    if space == "YBR_FULL":
        decoded.draft("YCbCr", None)
    assert abs(np.asarray(decoded).astype(int) - pixels).mean() < 4


@pytest.mark.parametrize(
    ("syntax", "described", "raw"),
    [
        (JPEGBaseline8Bit, ImagePixel(1, 1, 16, 12), bytes(2)),
        (JPEGBaseline8Bit, ImagePixel(1, 1, 8, 8, pixel_representation=1), bytes(1)),
        (JPEGBaseline8Bit, ImagePixel(1, 1, 8, 8, 3, 0, 0, "HSV"), bytes(3)),
        (JPEG2000Lossless, ImagePixel(1, 1, 16, 12), b"\x00\xf0"),  # an overlay in the upper bits
        (JPEG2000Lossless, ImagePixel(20, 40, 8, 8), bytes(800)),  # smaller than its encoder can
        (JPEG2000Lossless, ImagePixel(1, 1, 32, 32), bytes(4)),
        (JPEG2000Lossless, ImagePixel(1, 2, 8, 8), bytes(1)),
        (JPEG2000Lossless, ImagePixel(1, 1, 8, 8, 2), bytes(2)),
        ("1.2.840.10008.1.2.4.80", ImagePixel(1, 1, 8, 8), bytes(1)),
    ],
)
def test_what_would_be_lost_is_refused(syntax: str, described: ImagePixel, raw: bytes) -> None:
    with pytest.raises(NotConvertible):
        encode_frame(syntax, described, raw)
