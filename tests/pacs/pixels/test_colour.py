"""Palettes, colour spaces and layouts; what is expected was computed by hand from PS3.3 §C.7.6.3."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import ImageCms
from pydicom import Dataset

from pacs.errors import NotConvertible
from pacs.pixels.frame import read_frame
from pacs.pixels.parameters import IccProfile, RenderParameters
from pacs.pixels.render import render
from tests.pacs.pixels.images import image, item, opened, shown

COLOURS = ("Red", "Green", "Blue")
INDICES = np.array([[0, 1, 2, 3]], "u1")


def coloured(
    dataset: Dataset, first: int, bits: int, *tables: bytes, entries: int = 3, kind: str = ""
) -> Dataset:
    for colour, table in zip(COLOURS, tables, strict=True):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [entries, first, bits])
        setattr(dataset, f"{kind}{colour}PaletteColorLookupTableData", table + bytes(len(table) % 2))
    return dataset


def words(*values: int) -> bytes:
    return np.array(values, "<u2").tobytes()


GREY_RED = [[10, 0, 9], [20, 0, 9], [30, 255, 9], [30, 255, 9]]


@pytest.mark.parametrize(
    ("bits", "tables"),
    [
        (16, (words(10 << 8, 20 << 8, 30 << 8), words(0, 0, 255 << 8), words(9 << 8, 9 << 8, 9 << 8))),
        # eight bits: one a word, and two a word
        (8, (words(10, 20, 30), words(0, 0, 255), words(9, 9, 9))),
        (8, (bytes((10, 20, 30)), bytes((0, 0, 255)), bytes((9, 9, 9)))),
        # sixteen bits that are eight
        (16, (words(10, 20, 30), words(0, 0, 255), words(9, 9, 9))),
    ],
)
def test_palette(bits: int, tables: Sequence[bytes]) -> None:
    dataset = coloured(image(INDICES, PhotometricInterpretation="PALETTE COLOR"), 0, bits, *tables)
    assert shown(dataset).tolist() == [GREY_RED]


def test_a_palette_may_begin_anywhere() -> None:
    dataset = coloured(image(INDICES, PhotometricInterpretation="PALETTE COLOR"), 2, 8, *[words(1, 2, 3)] * 3)
    assert shown(dataset)[0, :, 0].tolist() == [1, 1, 1, 2]


DISCRETE, LINEAR, INDIRECT = 0, 1, 2


@pytest.mark.parametrize(
    ("bits", "table", "expected"),
    [
        (16, words(DISCRETE, 2, 0, 256, LINEAR, 4, 1280), [0, 1, 2, 3, 4, 5]),
        # the segment at byte 8 once more: from 5 down to 1 in two steps
        (16, words(DISCRETE, 2, 0, 1280, LINEAR, 2, 256, INDIRECT, 1, 8, 0), [0, 5, 3, 1, 1, 1]),
        (8, bytes((DISCRETE, 2, 0, 10, LINEAR, 4, 50)), [0, 10, 20, 30, 40, 50]),
        (8, bytes((DISCRETE, 1, 7, LINEAR, 3, 1, INDIRECT, 1, 0, 0, 0, 0)), [7, 5, 3, 1, 7, 7]),
    ],
)
def test_segmented_palette(bits: int, table: bytes, expected: list[int]) -> None:
    dataset = image(np.arange(6, dtype="u1").reshape(1, 6), PhotometricInterpretation="PALETTE COLOR")
    coloured(dataset, 0, bits, *[table] * 3, entries=6, kind="Segmented")
    assert shown(dataset)[0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    "table",
    [
        b"",
        words(LINEAR, 4, 1280),  # from nowhere
        words(7, 1, 1),
        words(INDIRECT, 9, 0xFFFF, 0xFFFF),
        words(INDIRECT, 60000, 0, 0),  # only to itself
        words(DISCRETE, 0) * 4,
    ],
)
def test_broken_segments_are_refused(table: bytes) -> None:
    dataset = image(INDICES, PhotometricInterpretation="PALETTE COLOR")
    coloured(dataset, 0, 16, *[table] * 3, kind="Segmented")
    with pytest.raises(NotConvertible, match="palette"):
        shown(dataset)


def test_a_supplemental_palette_colours_what_is_above_the_grey() -> None:
    pixels = np.array([[0, 50, 100, 101]], "<u2")
    dataset = coloured(image(pixels), 100, 8, words(1, 2, 3), words(4, 5, 6), words(7, 8, 9))
    dataset.PixelPresentation = "COLOR"
    dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = 50, 100, "LINEAR_EXACT"
    assert shown(dataset).tolist() == [[[0, 0, 0], [128, 128, 128], [1, 4, 7], [2, 5, 8]]]


RGB = np.arange(2 * 3 * 3, dtype="u1").reshape(2, 3, 3) * 14


def test_planes_and_pixels() -> None:
    assert (shown(image(RGB)) == RGB).all()
    planes = image(RGB, PlanarConfiguration=1)
    planes.PixelData = RGB.transpose(2, 0, 1).tobytes()
    assert (shown(planes) == RGB).all()


@pytest.mark.parametrize(
    ("scale", "stored", "dtype"), [(256, 16, "<u2"), (16, 12, "<u2"), (1 << 24, 32, "<u4"), (1, 8, "u1")]
)
def test_wide_colour_keeps_its_upper_bits(scale: int, stored: int, dtype: str) -> None:
    pixels = RGB.astype("u8") * scale + scale - 1
    assert (shown(image(pixels.astype(dtype), stored)) == RGB).all()


@pytest.mark.parametrize("stored", range(1, 8))
def test_narrow_colour_reaches_white(stored: int) -> None:
    most = (1 << stored) - 1
    pixels = np.array([[[0, most // 2, most]]], "u1")
    assert shown(image(pixels, stored)).tolist() == [[[0, 255 * (most // 2) // most, 255]]]


PRIMARIES = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [128, 128, 128]]
FULL = [[76, 85, 255], [150, 44, 21], [29, 255, 107], [255, 128, 128], [0, 128, 128], [128, 128, 128]]
PARTIAL = [[82, 90, 240], [145, 54, 34], [41, 240, 110], [235, 128, 128], [16, 128, 128], [126, 128, 128]]


@pytest.mark.parametrize(
    ("space", "components"), [("YBR_FULL", FULL), ("YBR_PARTIAL_420", PARTIAL), ("RGB", PRIMARIES)]
)
def test_colour_spaces(space: str, components: list[list[int]]) -> None:
    dataset = image(np.array([components], "u1"), PhotometricInterpretation=space)
    difference = shown(dataset).astype(int) - PRIMARIES
    assert abs(difference).max() <= 2


@pytest.mark.parametrize(
    ("space", "black", "rows"),
    [
        ("YBR_FULL", 0, [[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]]),
        (
            "YBR_PARTIAL_420",
            16,
            [[1.16438, 0, 1.59603], [1.16438, -0.391762, -0.812968], [1.16438, 2.01723, 0]],
        ),
    ],
)
def test_colours_are_rounded_to_the_nearest(space: str, black: int, rows: list[list[float]]) -> None:
    every = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3), -1).reshape(18, -1, 3).astype("u1")
    exact = np.clip((every - np.array([black, 128.0, 128.0])) @ np.array(rows).T, 0, 255)
    assert abs(shown(image(every, PhotometricInterpretation=space)) - exact).max() < 0.51


@pytest.mark.parametrize("space", ["YBR_FULL_422", "YBR_PARTIAL_422"])
def test_two_pixels_share_their_chroma(space: str) -> None:
    black = 0 if space == "YBR_FULL_422" else 16
    dataset = image(np.zeros((1, 4, 3), "u1"), PhotometricInterpretation=space)
    dataset.PixelData = bytes((black, black + 100, 128, 128, black, black, 128, 128))
    pixels = shown(dataset)
    assert pixels.shape == (1, 4, 3)
    assert pixels[0, [0, 2, 3]].max() == 0
    assert pixels[0, 1].tolist() == [100 if black == 0 else 116] * 3


def test_shared_chroma_needs_pairs_of_pixels() -> None:
    dataset = image(np.zeros((3, 5, 3), "u1"), PhotometricInterpretation="YBR_FULL_422")
    dataset.PixelData = bytes(30)
    with pytest.raises(NotConvertible, match="columns"):
        shown(dataset)


@pytest.mark.parametrize("space", ["HSV", "CMYK", "ARGB"])
def test_retired_colour_spaces_are_refused(space: str) -> None:
    with pytest.raises(NotConvertible, match=space):
        shown(image(RGB, PhotometricInterpretation=space))


@pytest.mark.parametrize("within", ["image", "optical path"])
def test_the_profile_goes_with_the_picture(within: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile += bytes(len(profile) % 2)
    dataset = image(RGB)
    if within == "image":
        dataset.ICCProfile = profile
    else:
        dataset.OpticalPathSequence = [item(ICCProfile=profile)]
    header, index = opened(dataset)
    frame = read_frame(header, index, 0)
    assert render(header, frame, 0, RenderParameters(icc=IccProfile.YES)).icc == profile
    assert render(header, frame, 0, RenderParameters(icc=IccProfile.NO)).icc is None
    managed = render(header, frame, 0, RenderParameters(icc=IccProfile.SRGB))
    assert managed.icc is not None
    assert abs(managed.pixels.astype(int) - RGB).max() <= 1


def test_a_broken_profile_is_refused_where_it_matters() -> None:
    dataset = image(RGB, ICCProfile=bytes(200))
    assert (shown(dataset) == RGB).all()
    with pytest.raises(NotConvertible, match="ICC"):
        shown(dataset, RenderParameters(icc=IccProfile.SRGB))
