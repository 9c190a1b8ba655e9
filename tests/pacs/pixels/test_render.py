"""Viewport, overlays, annotations; and that no data set, however forged, is more than a refusal."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from pacs.dicom.image import DecodedFrame, ImagePixel
from pacs.errors import BadInput, NotConvertible, NotFound, PacsError
from pacs.pixels.annotate import annotation_lines
from pacs.pixels.frame import read_frame
from pacs.pixels.parameters import Annotation, Function, Region, RenderParameters, Viewport, Window
from pacs.pixels.render import MOST_PIXELS, render
from tests.pacs.pixels.images import image, item, opened, raw_decimal, shown

QUARTERS = np.kron(np.array([[0, 80], [160, 240]], "u1"), np.ones((50, 100), "u1"))
"""100 rows, 200 columns."""


@pytest.mark.parametrize(
    ("attributes", "viewport", "shape"),
    [
        ({}, Viewport(100, 100), (50, 100)),
        ({}, Viewport(400, 1000), (200, 400)),
        ({}, Viewport(7, 1), (1, 2)),
        ({}, Viewport(100, 100, Region(0, 0, 50, 50)), (100, 100)),
        ({}, Viewport(100, 100, Region(150, 50, 500, 500)), (100, 100)),
        ({}, Viewport(100, 100, Region(150, 50, inf, inf)), (100, 100)),
        ({"PixelAspectRatio": [2, 1]}, Viewport(200, 200), (200, 200)),
        ({"PixelSpacing": [0.5, 1]}, Viewport(200, 200), (50, 200)),
        ({"ImagerPixelSpacing": [0.2, 0.1]}, Viewport(100, 100), (100, 100)),
        ({"PixelSpacing": [0, 0]}, Viewport(100, 100), (50, 100)),
        ({"PixelSpacing": [1e9, 1]}, Viewport(160, 160), (160, 20)),
    ],
)
def test_a_picture_fits_its_viewport(
    attributes: dict[str, Any], viewport: Viewport, shape: tuple[int, int]
) -> None:
    assert shown(image(QUARTERS, **attributes), RenderParameters(viewport=viewport)).shape == shape


@pytest.mark.parametrize(
    ("width", "height", "corners"),
    [(200, 100, [0, 80, 160, 240]), (-200, 100, [80, 0, 240, 160]), (200, -100, [160, 240, 0, 80])],
)
def test_negative_extents_mirror(width: float, height: float, corners: list[int]) -> None:
    parameters = RenderParameters(viewport=Viewport(200, 100, Region(0, 0, width, height)))
    pixels = shown(image(QUARTERS), parameters)
    assert [pixels[0, 0], pixels[0, -1], pixels[-1, 0], pixels[-1, -1]] == corners


@pytest.mark.parametrize(
    "viewport",
    [
        Viewport(0, 5),
        Viewport(100_000, 100_000),
        Viewport(5, 5, Region(200, 0, 5, 5)),
        Viewport(5, 5, Region(0, 0, 0, 1)),
    ],
)
def test_an_impossible_viewport_is_the_callers_fault(viewport: Viewport) -> None:
    with pytest.raises(BadInput):
        shown(image(QUARTERS), RenderParameters(viewport=viewport))


def overlay(dataset: Dataset, group: int, bits: np.ndarray, origin: tuple[int, int], **more: int) -> Dataset:
    frames = bits.reshape(-1, *bits.shape[-2:])
    dataset.add_new((group, 0x0010), "US", frames.shape[1])
    dataset.add_new((group, 0x0011), "US", frames.shape[2])
    dataset.add_new((group, 0x0050), "SS", list(origin))
    dataset.add_new((group, 0x0100), "US", 1)
    dataset.add_new((group, 0x0102), "US", 0)
    if "first" in more:
        dataset.add_new((group, 0x0015), "IS", len(frames))
        dataset.add_new((group, 0x0051), "US", more["first"])
    packed = np.packbits(bits, bitorder="little").tobytes()
    dataset.add_new((group, 0x3000), "OW", packed + bytes(len(packed) % 2))
    return dataset


BARE = RenderParameters(overlays=False)
CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], "u1")


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ((1, 1), [[7, 255, 7, 7], [255, 255, 255, 7], [7, 255, 7, 7]]),
        ((0, 0), [[255, 255, 7, 7], [255, 7, 7, 7], [7, 7, 7, 7]]),
        ((2, 3), [[7, 7, 7, 7], [7, 7, 7, 255], [7, 7, 255, 255]]),
        ((9, 9), [[7] * 4] * 3),
        ((-9, -9), [[7] * 4] * 3),
    ],
)
def test_overlays_are_white_where_they_meet_the_image(
    origin: tuple[int, int], expected: list[list[int]]
) -> None:
    dataset = overlay(image(np.full((3, 4), 7, "u1")), 0x6002, CROSS, origin)
    assert shown(dataset, BARE).max() == 7
    assert shown(dataset).tolist() == expected


def test_overlays_of_some_frames() -> None:
    dataset = image(np.full((6, 3), 7, "u1"))
    dataset.Rows, dataset.NumberOfFrames = 2, 3
    bits = np.array([[[1, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 1]]], "u1")
    overlay(dataset, 0x6000, bits, (1, 1), first=2)
    assert [int((shown(dataset, number=n) == 255).sum()) for n in range(3)] == [0, 1, 1]
    assert shown(dataset, number=2)[1, 2] == 255


def test_overlays_in_unused_bits() -> None:
    dataset = image(np.array([[0x8001, 0x0002, 0x9003]], "<u2"), 12)
    dataset.add_new((0x6000, 0x0100), "US", 16)
    dataset.add_new((0x6000, 0x0102), "US", 15)
    assert shown(dataset, BARE).tolist() == [[0, 128, 255]]
    assert shown(dataset).tolist() == [[255, 128, 255]]


def test_overlays_below_the_value() -> None:
    """Of the second of two frames, signed, the value in the upper twelve bits."""
    frames = np.array([[[0x0010, 0x0020]], [[0x8001, 0x7FF0]]], "<u2").view("<i2")
    dataset = image(frames.reshape(2, 2), 12)
    dataset.Rows, dataset.NumberOfFrames, dataset.HighBit = 1, 2, 15
    dataset.add_new((0x601E, 0x0102), "US", 0)
    assert shown(dataset, BARE, number=1).tolist() == [[0, 255]]
    assert shown(dataset, number=1).tolist() == [[255, 255]]


def test_a_bit_of_the_value_is_no_overlay() -> None:
    dataset = image(np.array([[0, 0x800, 0xFFF]], "<u2"), 12)
    dataset.add_new((0x6000, 0x0102), "US", 11)
    assert shown(dataset).tolist() == [[0, 128, 255]]


@pytest.mark.parametrize("pixels", [np.zeros((200, 300), "u1"), np.zeros((200, 300, 3), "u1")])
def test_annotations_are_written_when_asked_for(pixels: np.ndarray) -> None:
    dataset = image(pixels, PatientName="Müller^Анна", PatientID="4711", Modality="CT")
    texts = [frozenset[Annotation](), frozenset({Annotation.PATIENT}), frozenset(Annotation)]
    written = [int(shown(dataset, RenderParameters(annotations=text)).astype(int).sum()) for text in texts]
    assert 0 == written[0] < written[1] < written[2]


def test_frames_are_counted_from_zero_to_the_last() -> None:
    header, index = opened(image(QUARTERS))
    for number in (-1, 1):
        with pytest.raises(NotFound):
            read_frame(header, index, number)


def test_a_frame_beyond_what_is_rendered() -> None:
    header, _ = opened(image(QUARTERS))
    side = int(MOST_PIXELS**0.5) + 1
    with pytest.raises(NotConvertible, match="larger"):
        render(header, DecodedFrame(ImagePixel(side, side, 8, 8), b""), 0, RenderParameters())


SMALL = st.integers(0, 70)
WORD = st.sampled_from([0, 1, 2, 3, 7, 8, 12, 15, 16, 17, 31, 32, 33, 64, 255, 65535])
NUMBER = st.sampled_from(["", "0", "1", "-1", "0.5", "1e300", "-1e300", "1e-300", "nan", "inf", "1\\2", "x"])
WORDS = st.lists(WORD, max_size=4)
TABLE = st.builds(
    lambda descriptor, data: item(LUTDescriptor=descriptor, LUTData=data + bytes(len(data) % 2)),
    st.lists(WORD, min_size=3, max_size=3),
    st.binary(max_size=40),
)
PHOTOMETRIC = st.sampled_from(
    [
        "",
        "MONOCHROME1",
        "MONOCHROME2",
        "PALETTE COLOR",
        "RGB",
        "YBR_FULL",
        "YBR_FULL_422",
        "YBR_PARTIAL_422",
        "XYZ",
    ]
)
EVEN = st.binary(min_size=1, max_size=4000).map(lambda data: data + bytes(len(data) % 2))
FORGED: dict[str, st.SearchStrategy[Any]] = {
    "Rows": SMALL,
    "Columns": SMALL,
    "SamplesPerPixel": st.integers(0, 5),
    "BitsAllocated": WORD,
    "BitsStored": WORD,
    "HighBit": WORD,
    "PixelRepresentation": st.integers(0, 3),
    "PlanarConfiguration": st.integers(0, 3),
    "PhotometricInterpretation": PHOTOMETRIC,
    "PixelPresentation": st.sampled_from(["COLOR", "MONOCHROME", ""]),
    "PresentationLUTShape": st.sampled_from(["INVERSE", "IDENTITY", "?"]),
    "ModalityLUTSequence": st.lists(TABLE, max_size=2),
    "VOILUTSequence": st.lists(TABLE, max_size=2),
    "VOILUTFunction": st.sampled_from(["LINEAR", "SIGMOID", "LINEAR_EXACT", "?"]),
    "RedPaletteColorLookupTableDescriptor": WORDS,
    "GreenPaletteColorLookupTableDescriptor": WORDS,
    "BluePaletteColorLookupTableDescriptor": WORDS,
    "RedPaletteColorLookupTableData": st.binary(max_size=20),
    "GreenPaletteColorLookupTableData": st.binary(max_size=20),
    "SegmentedBluePaletteColorLookupTableData": st.binary(max_size=20),
    "ICCProfile": st.binary(max_size=20),
}
DECIMAL = (
    "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "PixelSpacing"
)  # fmt: skip


@st.composite
def forged(draw: st.DrawFn) -> Dataset:
    dataset = image(np.zeros((9, 7), "<u2"))
    for keyword in draw(st.lists(st.sampled_from(sorted(FORGED)), unique=True)):
        dataset.update(item(**{keyword: draw(FORGED[keyword])}))
    overlaid = draw(st.sampled_from([0x6000, 0x601E]))
    for element in draw(st.lists(st.sampled_from([0x10, 0x11, 0x51, 0x102]), unique=True)):
        dataset.add_new((overlaid, element), "US", draw(WORD))
    if draw(st.booleans()):
        dataset.add_new((overlaid, 0x3000), "OW", draw(EVEN))
    dataset.PixelData = draw(EVEN)
    return dataset


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Smith^John", "Smith John"),
        ("Müller^Jürgen", "Muller Jurgen"),
        ("ŁUKASZ", "LUKASZ"),
        ("Πέτρος", "Petros"),
        ("Иванов", "Ivanov"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada Tarou"),
        ("山田^太郎=やまだ^たろう", "Yamada Tarou"),
        ("山田", "??"),
    ],
)
def test_names_are_written_in_letters_that_the_font_has(text: str, written: str) -> None:
    header, _ = opened(image(QUARTERS, SpecificCharacterSet="ISO_IR 192", PatientName=text))
    assert list(annotation_lines(header, 0, frozenset({Annotation.PATIENT}))) == [written]


@settings(max_examples=150)
@given(forged(), st.lists(st.tuples(st.sampled_from(DECIMAL), NUMBER), max_size=5), st.integers(0, 2))
def test_a_forged_data_set_is_rendered_or_refused(
    dataset: Dataset, decimals: list[tuple[str, str]], kind: int
) -> None:
    parameters = RenderParameters(
        window=Window(1, 0, list(Function)[kind]) if kind else None,
        viewport=Viewport(8, 8) if kind == 2 else None,
        annotations=frozenset(Annotation),
    )
    dataset.update({raw.tag: raw for raw in (raw_decimal(*each) for each in decimals)})
    try:
        pixels = shown(dataset, parameters)
    except PacsError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 2 or pixels.shape[2] == 3
