"""Presentation states: the grey of each pixel and the place of each mark, computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from pacs.errors import BadInput, NotConvertible
from pacs.pixels.frame import read_frame
from pacs.pixels.parameters import Region, RenderParameters, Viewport, Window
from pacs.pixels.softcopy.references import Reference, references
from pacs.pixels.softcopy.render import presented
from tests.pacs.pixels.images import image, item, opened
from tests.pacs.pixels.states import (
    area,
    file_of,
    graphic,
    header_of,
    layer,
    look,
    marked,
    ramp,
    referring,
    state,
    window,
)

RAMP = image(np.array([[0, 1, 2, 3, 4]], "<u2"), 12)
BLACK = image(np.zeros((20, 30), np.uint8))


def lut(first: int, bits: int, *entries: int) -> Dataset:
    return item(LUTDescriptor=[len(entries), first, bits], LUTData=np.array(entries, "<u2").tobytes())


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        # ((x - 1.5) / 3 + 0.5) · 255, rounded
        ({"SoftcopyVOILUTSequence": [window(2, 4)]}, [0, 85, 170, 255, 255]),
        ({"SoftcopyVOILUTSequence": [window(2, 4)], "PresentationLUTShape": "INVERSE"}, [255, 170, 85, 0, 0]),
        ({"SoftcopyVOILUTSequence": [window(2, 4, VOILUTFunction="SIGMOID")]}, [30, 69, 128, 186, 225]),
        (
            {"SoftcopyVOILUTSequence": [window(12, 4)], "RescaleSlope": 2, "RescaleIntercept": 8},
            [0, 0, 170, 255, 255],
        ),
        ({"SoftcopyVOILUTSequence": [item(VOILUTSequence=[lut(1, 8, 10, 20, 30)])]}, [10, 10, 20, 30, 30]),
        ({"ModalityLUTSequence": [lut(0, 8, 9, 7, 5, 3, 1)]}, [9, 7, 5, 3, 1]),
        # all 4096 values of twelve bits, evenly
        ({}, [0, 0, 0, 0, 0]),
        ({"RescaleSlope": 5, "RescaleIntercept": 100}, [0, 0, 0, 0, 0]),
        # brightness is the place in the table: 0, 0.25 … of its four steps
        (
            {
                "SoftcopyVOILUTSequence": [window(2, 4, VOILUTFunction="LINEAR_EXACT")],
                "PresentationLUTSequence": [lut(0, 8, 50, 40, 30, 20, 10)],
            },
            [50, 40, 30, 20, 10],
        ),
    ],
)
def test_the_grey_of_a_state_and_nothing_of_the_image(
    attributes: dict[str, Any], expected: list[int]
) -> None:
    made = state(RAMP, **attributes)
    if "PresentationLUTSequence" in attributes:
        del made.PresentationLUTShape
    own = image(
        np.array([[0, 1, 2, 3, 4]], "<u2"),
        12,
        WindowCenter=99,
        WindowWidth=7,
        RescaleSlope=3,
        RescaleIntercept=1,
    )
    assert look(made, RAMP).tolist() == [expected]
    assert look(made, own).tolist() == [expected]


def test_every_value_has_its_grey_without_a_window() -> None:
    byte, signed = image(ramp(4, 6)), image(np.array([[-128, -1, 0, 127]], "<i1"))
    assert (look(state(byte), byte) == ramp(4, 6)).all()
    assert look(state(signed), signed).tolist() == [[0, 127, 128, 255]]
    inverted = image(ramp(4, 6), PhotometricInterpretation="MONOCHROME1")
    assert (look(state(inverted), inverted) == ramp(4, 6)).all(), "the shape alone says what is white"


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_tables_begin_below_zero_where_the_image_does(syntax: str) -> None:
    """An implicit VR does not tell -2 from 65534."""
    signed = image(np.array([[-3, -2, -1, 0, 1]], "<i2"))
    for name, entries in {"modality": [7, 5, 3], "VOI": [7, 5, 3]}.items():
        table = item(LUTData=np.array(entries, ">u2" if syntax == ExplicitVRBigEndian else "<u2").tobytes())
        kind = "US" if syntax == ImplicitVRLittleEndian else "SS"
        table.add_new("LUTDescriptor", kind, [3, 65534 if kind == "US" else -2, 8])
        if name == "modality":
            made = state(signed, ModalityLUTSequence=[table])
        else:
            made = state(signed, SoftcopyVOILUTSequence=[item(VOILUTSequence=[table])])
        header, index = opened(signed)
        found = presented(
            header_of(file_of(made, syntax)), header, read_frame(header, index, 0), 0, RenderParameters()
        )
        assert found.pixels.tolist() == [[7, 7, 5, 3, 3]]


def test_a_window_is_of_the_frames_that_it_names() -> None:
    other = item(SOPClassUID="1.2.840.10008.5.1.4.1.1.7", SOPInstanceUID="1.9")
    two = image(np.array([[0, 1, 2, 3, 4], [4, 3, 2, 1, 0]], "<u2"), 12, NumberOfFrames=2)
    two.Rows = 1
    made = state(
        two,
        SoftcopyVOILUTSequence=[
            window(0, 1, referring(other)),
            window(1, 1, referring(other), referring(two, 2)),
            window(2, 4),
        ],
    )
    assert look(made, two).tolist() == [[0, 85, 170, 255, 255]]
    assert look(made, two, number=1).tolist() == [[255, 255, 255, 255, 0]]


SOURCE = ramp(2, 3)
"""0 1 2
   3 4 5"""


@pytest.mark.parametrize(
    ("angle", "flip", "expected"),
    [
        (0, "N", [[0, 1, 2], [3, 4, 5]]),
        (90, "N", [[3, 0], [4, 1], [5, 2]]),
        (180, "N", [[5, 4, 3], [2, 1, 0]]),
        (270, "N", [[2, 5], [1, 4], [0, 3]]),
        (0, "Y", [[2, 1, 0], [5, 4, 3]]),
        # turned first, mirrored then: Table C.10-6
        (90, "Y", [[0, 3], [1, 4], [2, 5]]),
        (180, "Y", [[3, 4, 5], [0, 1, 2]]),
        (270, "Y", [[5, 2], [4, 1], [3, 0]]),
    ],
)
def test_turned_clockwise_then_mirrored(angle: int, flip: str, expected: list[list[int]]) -> None:
    plain = image(SOURCE)
    made = state(plain, ImageRotation=angle, ImageHorizontalFlip=flip)
    assert look(made, plain).tolist() == expected


@pytest.mark.parametrize(
    ("displayed", "turn", "expected"),
    [
        (area(2, 1, 3, 2), {}, [[1, 2], [4, 5]]),
        (area(3, 2, 3, 2), {}, [[5]]),
        (area(0, 1, 4, 1), {}, [[0, 0, 1, 2, 0]]),
        (area(-1, 0, 1, 3), {}, [[0, 0, 0], [0, 0, 0], [0, 0, 3], [0, 0, 0]]),
        # the upper left corner of what is seen is the lower left one of the image
        (area(1, 2, 2, 1), {"ImageRotation": 90}, [[3, 0], [4, 1]]),
        (area(1, 1, 2, 2), {"ImageRotation": 90}, [[3, 0], [4, 1]]),
        (area(3, 1, 2, 2), {"ImageHorizontalFlip": "Y"}, [[2, 1], [5, 4]]),
        (area(2, 2, 3, 2, "TRUE SIZE"), {}, [[4, 5]]),
    ],
)
def test_the_displayed_area(displayed: Dataset, turn: dict[str, Any], expected: list[list[int]]) -> None:
    plain = image(SOURCE)
    made = state(plain, DisplayedAreaSelectionSequence=[displayed], **turn)
    assert look(made, plain).tolist() == expected


def test_sizes() -> None:
    plain = image(np.zeros((40, 60), np.uint8))

    def size(displayed: Dataset, viewport: Viewport | None = None, **turn: Any) -> tuple[int, int]:
        made = state(plain, DisplayedAreaSelectionSequence=[displayed], **turn)
        rows, columns = look(made, plain, RenderParameters(viewport=viewport)).shape
        return columns, rows

    whole = area(1, 1, 60, 40)
    narrow = area(1, 1, 60, 40)
    narrow.PresentationPixelAspectRatio = [2, 1]
    magnified = area(1, 1, 60, 40, "MAGNIFY", PresentationPixelMagnificationRatio=2.5)
    assert size(whole) == (60, 40)
    assert size(whole, ImageRotation=90) == (40, 60)
    assert size(whole, Viewport(30, 30)) == (30, 20)
    assert size(whole, Viewport(30, 30), ImageRotation=90) == (20, 30)
    assert size(whole, Viewport(30, 30, Region(0, 0, 20, 40))) == (15, 30)
    assert size(narrow) == (60, 80)
    assert size(magnified) == (150, 100)
    assert size(magnified, Viewport(100, 500)) == (100, 100)
    assert size(area(-(10**9), -(10**9), 10**9, 10**9), Viewport(30, 30)) == (30, 30)


def test_a_region_is_of_what_the_state_shows() -> None:
    plain = image(SOURCE)
    made = state(plain, ImageRotation=90)
    corner = RenderParameters(viewport=Viewport(1, 2, Region(1, 1, 1, 2)))
    assert look(made, plain, corner).tolist() == [[1], [2]]
    mirrored = RenderParameters(viewport=Viewport(2, 3, Region(0, 0, -2, 3)))
    assert look(made, plain, mirrored).tolist() == [[0, 3], [1, 4], [2, 5]]


WHITE = image(np.full((6, 8), 255, np.uint8))
RECTANGLE = {
    "ShutterLeftVerticalEdge": 3,
    "ShutterRightVerticalEdge": 5,
    "ShutterUpperHorizontalEdge": 2,
    "ShutterLowerHorizontalEdge": 4,
}


def visible(made: Dataset, hidden: int = 0) -> list[list[int]]:
    """Row and column, from 1, of each pixel that shows the white image."""
    found = look(made, WHITE)
    assert set(np.unique(found)) <= {hidden, 255}
    return (np.argwhere(found == 255) + 1).tolist()


def test_a_rectangular_shutter_shows_its_edges() -> None:
    made = state(WHITE, ShutterShape="RECTANGULAR", ShutterPresentationValue=0x8080, **RECTANGLE)
    assert visible(made, 128) == [[row, column] for row in (2, 3, 4) for column in (3, 4, 5)]


def test_a_circular_shutter() -> None:
    made = state(WHITE, ShutterShape="CIRCULAR", CenterOfCircularShutter=[3, 4], RadiusOfCircularShutter=1)
    assert visible(made) == [[2, 4], [3, 3], [3, 4], [3, 5], [4, 4]]


def test_a_polygonal_shutter() -> None:
    corners = [2, 2, 2, 5, 5, 5, 5, 2]
    made = state(WHITE, ShutterShape="POLYGONAL", VerticesOfThePolygonalShutter=corners)
    assert visible(made) == [[row, column] for row in (2, 3, 4, 5) for column in (2, 3, 4, 5)]


def test_of_several_shutters_each_hides() -> None:
    circle = {"CenterOfCircularShutter": [3, 5], "RadiusOfCircularShutter": 1}
    made = state(WHITE, ShutterShape=["RECTANGULAR", "CIRCULAR"], **RECTANGLE, **circle)
    assert visible(made) == [[2, 5], [3, 4], [3, 5], [4, 5]]


def overlay(made: Dataset, group: int, bits: Any, **layers: str) -> Dataset:
    plane = np.array(bits, np.uint8)
    made.add_new(group << 16 | 0x10, "US", plane.shape[0])
    made.add_new(group << 16 | 0x11, "US", plane.shape[1])
    made.add_new(group << 16 | 0x40, "CS", "G")
    made.add_new(group << 16 | 0x50, "SS", [1, 1])
    made.add_new(group << 16 | 0x100, "US", 1)
    made.add_new(group << 16 | 0x102, "US", 0)
    packed = np.packbits(plane, axis=None, bitorder="little").tobytes()
    made.add_new(group << 16 | 0x3000, "OW", packed + bytes(len(packed) % 2))
    return made


def test_a_bitmap_shutter() -> None:
    bits = np.ones((6, 8))
    bits[1, 2:4] = 0
    made = state(WHITE, ShutterShape="BITMAP", ShutterOverlayGroup=0x6002, ShutterPresentationValue=0)
    assert visible(overlay(made, 0x6002, bits)) == [[2, 3], [2, 4]]


def test_overlays_are_shown_where_a_layer_is_named() -> None:
    dark = overlay(image(np.zeros((2, 3), np.uint8)), 0x6000, [[1, 0, 0], [0, 0, 0]])
    dark = overlay(dark, 0x6002, [[0, 1, 0], [0, 0, 0]])
    made = overlay(state(dark), 0x6004, [[0, 0, 1], [0, 0, 0]])
    assert not look(made, dark).any()
    made.GraphicLayerSequence = [layer("A", 1, 0xFFFF), layer("B", 2, 0x8080)]
    made.add_new(0x60001001, "CS", "A")
    assert look(made, dark).tolist() == [[255, 0, 0], [0, 0, 0]]
    made.add_new(0x60041001, "CS", "B")
    assert look(made, dark).tolist() == [[255, 0, 128], [0, 0, 0]]


def painted(made: Dataset, of: Dataset = BLACK, **parameters: Any) -> set[tuple[int, int]]:
    """Column and row, from 0, of each pixel that is not black."""
    found = look(made, of, RenderParameters(**parameters))
    return {(int(column), int(row)) for row, column in np.argwhere(found)}


def drawn(*objects: Dataset, **attributes: Any) -> Dataset:
    return state(BLACK, GraphicAnnotationSequence=[marked(*objects)], **attributes)


def test_a_line_runs_through_the_pixels_that_its_points_lie_in() -> None:
    line = graphic("POLYLINE", 2.5, 3.5, 8.5, 3.5, 8.5, 6.5)
    across, down = {(x, 3) for x in range(2, 9)}, {(8, y) for y in range(3, 7)}
    assert painted(drawn(line)) == across | down
    turned = {(19 - y, x) for x, y in across | down}
    assert painted(drawn(line, ImageRotation=90)) == turned
    assert painted(drawn(line, ImageRotation=90, ImageHorizontalFlip="Y")) == {(19 - x, y) for x, y in turned}
    cropped = drawn(line, DisplayedAreaSelectionSequence=[area(2, 3, 30, 20)])
    assert painted(cropped) == {(x - 1, y - 2) for x, y in across | down}


def test_units_of_the_displayed_area_do_not_turn_with_the_image() -> None:
    line = graphic("POLYLINE", 0.0, 0.025, 0.9999, 0.025, units="DISPLAY")
    assert painted(drawn(line)) == {(x, 0) for x in range(30)}
    assert painted(drawn(line, ImageRotation=90)) == {(x, 0) for x in range(20)}
    assert painted(drawn(line, DisplayedAreaSelectionSequence=[area(5, 5, 14, 14)])) == {
        (x, 0) for x in range(10)
    }


def test_marks_are_drawn_in_the_pixels_of_the_picture() -> None:
    line = graphic("POLYLINE", 0.0, 0.0, 29.99, 0.0)
    assert painted(drawn(line), viewport=Viewport(300, 300)) == {(x, 0) for x in range(300)}


def test_what_is_filled_and_what_is_not() -> None:
    square = (2.5, 2.5, 6.5, 2.5, 6.5, 6.5, 2.5, 6.5, 2.5, 2.5)
    inside = {(x, y) for x in range(3, 6) for y in range(3, 6)}
    edge = {(x, y) for x in range(2, 7) for y in range(2, 7)} - inside
    assert painted(drawn(graphic("POLYLINE", *square))) == edge
    assert painted(drawn(graphic("POLYLINE", *square, filled="Y"))) == edge | inside


def test_round_marks() -> None:
    circle = painted(drawn(graphic("CIRCLE", 10.5, 10.5, 15.5, 10.5)))
    assert {(15, 10), (5, 10), (10, 15), (10, 5)} <= circle
    assert all(4 <= np.hypot(x - 10, y - 10) <= 6 for x, y in circle)
    filled = painted(drawn(graphic("CIRCLE", 10.5, 10.5, 15.5, 10.5, filled="Y")))
    assert (10, 10) in filled and circle <= filled
    oval = painted(drawn(graphic("ELLIPSE", 2.5, 10.5, 26.5, 10.5, 14.5, 4.5, 14.5, 16.5)))
    assert {(2, 10), (26, 10), (14, 4), (14, 16)} <= oval and (14, 10) not in oval
    curve = painted(drawn(graphic("INTERPOLATED", 2.5, 2.5, 10.5, 8.5, 20.5, 2.5)))
    assert {(2, 2), (10, 8), (20, 2)} <= curve
    assert (5, 5) in painted(drawn(graphic("POINT", 5.5, 5.5)))


def words(text: str, **attributes: Any) -> Dataset:
    return item(UnformattedTextValue=text, **attributes)


def box(left: float, top: float, right: float, bottom: float, units: str = "PIXEL") -> dict[str, Any]:
    return {
        "BoundingBoxAnnotationUnits": units,
        "BoundingBoxTopLeftHandCorner": [left, top],
        "BoundingBoxBottomRightHandCorner": [right, bottom],
    }


LARGE = image(np.zeros((200, 300), np.uint8))


@pytest.mark.parametrize("alignment", ["LEFT", "CENTER", "RIGHT"])
def test_text_is_in_its_box(alignment: str) -> None:
    text = words("Nodule", **box(100, 50, 200, 80), BoundingBoxTextHorizontalJustification=alignment)
    found = painted(state(LARGE, GraphicAnnotationSequence=[marked(text)]), LARGE)
    columns, rows = {x for x, _ in found}, {y for _, y in found}
    assert min(columns) >= 99 and max(columns) <= 201 and min(rows) >= 49 and max(rows) <= 81
    assert {"LEFT": min(columns) < 105, "CENTER": 103 < min(columns) < 150, "RIGHT": max(columns) > 192}[
        alignment
    ]


def test_text_at_an_anchor_and_a_line_to_it() -> None:
    anchor = {"AnchorPoint": [20, 150], "AnchorPointAnnotationUnits": "PIXEL", "AnchorPointVisibility": "Y"}
    alone = painted(state(LARGE, GraphicAnnotationSequence=[marked(words("here", **anchor))]), LARGE)
    assert alone and all(18 <= x < 80 and 148 <= y < 180 for x, y in alone)
    both = words("here", **anchor, **box(100, 50, 200, 80))
    assert (20, 150) in painted(state(LARGE, GraphicAnnotationSequence=[marked(both)]), LARGE)


def test_text_stays_upright_where_the_image_is_turned() -> None:
    text = words("Nodule", **box(10, 10, 60, 110))
    made = state(LARGE, GraphicAnnotationSequence=[marked(text)], ImageRotation=90)
    found = painted(made, LARGE)  # the box is now from (90, 10) to (190, 60)
    columns, rows = {x for x, _ in found}, {y for _, y in found}
    assert min(columns) >= 88 and max(columns) <= 192
    assert max(columns) - min(columns) > 1.5 * (max(rows) - min(rows))


def test_later_layers_are_above_earlier_ones() -> None:
    line = graphic("POLYLINE", 0.0, 0.0, 29.0, 0.0)
    made = state(BLACK, GraphicLayerSequence=[layer("UP", 2, 0x8080), layer("DOWN", 1, 0xFFFF)])
    made.GraphicAnnotationSequence = [marked(line, layer="UP"), marked(line, layer="DOWN")]
    assert set(look(made, BLACK)[0].tolist()) == {128}
    other = item(SOPClassUID="1.2.840.10008.5.1.4.1.1.7", SOPInstanceUID="1.9")
    made.GraphicAnnotationSequence[0].ReferencedImageSequence = [referring(other)]
    assert set(look(made, BLACK)[0].tolist()) == {255}


def test_a_palette_colours_what_is_grey() -> None:
    plain = image(np.array([[0, 85, 170, 255]], np.uint8))
    made = state(plain, SOPClassUID="1.2.840.10008.5.1.4.1.1.11.3")
    for name, entries in {"Red": [0, 1, 2, 3], "Green": [9, 8, 7, 6], "Blue": [50, 60, 70, 80]}.items():
        made.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [4, 0, 8])
        made.add_new(f"{name}PaletteColorLookupTableData", "OW", np.array(entries, "<u2").tobytes())
    assert look(made, plain).tolist() == [[[0, 9, 50], [1, 8, 60], [2, 7, 70], [3, 6, 80]]]


def test_a_coloured_image_keeps_its_colours() -> None:
    coloured = image(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    made = state(coloured, SOPClassUID="1.2.840.10008.5.1.4.1.1.11.2", ImageHorizontalFlip="Y")
    assert look(made, coloured).tolist() == [[[4, 5, 6], [1, 2, 3]]]
    red = item(GraphicLayer="MARKS", GraphicLayerOrder=1)
    red.GraphicLayerRecommendedDisplayCIELabValue = [34885, 53485, 50171]  # L 53.2, a 80.1, b 67.2
    dot = marked(graphic("POINT", 0.5, 0.5))
    made = state(coloured, GraphicLayerSequence=[red], GraphicAnnotationSequence=[dot])
    r, g, b = look(made, coloured)[0, 0].tolist()
    assert r > 245 and g < 25 and b < 25


def test_a_coloured_layer_on_a_grey_image() -> None:
    red = item(GraphicLayer="MARKS", GraphicLayerOrder=1)
    red.GraphicLayerRecommendedDisplayCIELabValue = [34885, 53485, 50171]
    line = marked(graphic("POLYLINE", 0.0, 0.0, 9.0, 0.0))
    grey = image(np.full((20, 30), 77, np.uint8))
    found = look(state(grey, GraphicLayerSequence=[red], GraphicAnnotationSequence=[line]), grey)
    assert found[10, 10].tolist() == [77, 77, 77]
    r, g, b = found[0, 5].tolist()
    assert r > 245 and g < 25 and b < 25


def test_what_a_state_is_of() -> None:
    plain = image(SOURCE, SeriesInstanceUID="1.5")
    found = list(references(header_of(file_of(state(plain, 2, 3)))))
    assert found == [Reference("1.5", "1.2.3", (2, 3))]
    assert found[0].is_of("1.2.3", 3) and not found[0].is_of("1.2.3", 1) and not found[0].is_of("1.2")


def nan(*_: object) -> Dataset:
    return graphic("POLYLINE", 1.0, float("nan"), 2.0, 2.0)


@pytest.mark.parametrize(
    "attributes",
    [
        {"GraphicAnnotationSequence": [marked(graphic("POLYLINE", *[1.0] * 300_000))]},
        {"GraphicAnnotationSequence": [marked(*[graphic("POINT", 1.0, 1.0)] * 6_000)]},
        {"GraphicAnnotationSequence": [marked(nan())]},
        {"GraphicAnnotationSequence": [marked(graphic("POLYLINE", 1.0, 1.0, float("inf"), 2.0))]},
        {"GraphicAnnotationSequence": [marked(graphic("POLYLINE", 1.0, 1.0, 1e30, 2.0))]},
        {"GraphicAnnotationSequence": [marked(graphic("SPIRAL", 1.0, 1.0))]},
        {"GraphicAnnotationSequence": [marked(graphic("ELLIPSE", 1.0, 1.0))]},
        {"GraphicAnnotationSequence": [marked(words("nowhere"))]},
        {"GraphicAnnotationSequence": [marked(words("x" * 20_000, **box(0, 0, 1, 1)))]},
        {"DisplayedAreaSelectionSequence": [area(-(2**31), -(2**31), 2**31 - 1, 2**31 - 1)]},
        {"DisplayedAreaSelectionSequence": [area(100, 100, 200, 200)]},
        {"DisplayedAreaSelectionSequence": [item(PresentationSizeMode="SCALE TO FIT")]},
        {
            "DisplayedAreaSelectionSequence": [
                area(1, 1, 30, 20, "MAGNIFY", PresentationPixelMagnificationRatio=1e9)
            ]
        },
        {"ImageRotation": 45},
        {"ShutterShape": "HEART"},
        {"ShutterShape": "RECTANGULAR"},
        {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [1, 1]},
        {"ShutterShape": "BITMAP", "ShutterOverlayGroup": 0x7FE0},
        {"SoftcopyVOILUTSequence": [item(WindowCenter=1)]},
        {"PresentationLUTSequence": [item(LUTExplanation="nothing")]},
        {"MaskSubtractionSequence": [item(MaskOperation="AVG_SUB")]},
        {"DisplayFilterPercentage": 40},
    ],
    ids=lambda attributes: next(iter(attributes)),
)
@pytest.mark.filterwarnings("ignore")
def test_a_hostile_state_is_refused(attributes: dict[str, Any]) -> None:
    with pytest.raises(NotConvertible):
        look(state(BLACK, **attributes), BLACK)


def test_text_on_a_picture_that_is_very_long() -> None:
    made = state(BLACK, GraphicAnnotationSequence=[marked(words("here", **box(1, 1, 9, 9)))])
    made.DisplayedAreaSelectionSequence = [area(1, 1, 1_000_000, 20)]
    assert look(made, BLACK).shape == (20, 1_000_000)


def test_marks_far_outside_cost_nothing() -> None:
    far = graphic("POLYLINE", *[-9e8, 5.5, 9e8, 5.5] * 1_000)
    assert painted(drawn(far)) == {(x, 5) for x in range(30)}
    filled = graphic("POLYLINE", -9e8, -9e8, 9e8, -9e8, 9e8, 9e8, -9e8, 9e8, filled="Y")
    assert len(painted(drawn(filled))) == 600


def test_the_window_is_the_states_own() -> None:
    with pytest.raises(BadInput):
        look(state(BLACK), BLACK, RenderParameters(window=Window(1, 2)))
    with pytest.raises(BadInput):
        look(state(BLACK), BLACK, RenderParameters(viewport=Viewport(5, 5, Region(90, 90, 1, 1))))


@given(
    place=st.tuples(st.integers(0, 29), st.integers(0, 19)),
    quarters=st.integers(0, 3),
    flip=st.sampled_from("NY"),
    around=st.tuples(*[st.integers(0, 12)] * 4),
    times=st.sampled_from((None, 1, 3)),
)
@settings(max_examples=60, deadline=None)
def test_a_mark_falls_on_its_pixel_however_it_is_shown(
    place: tuple[int, int], quarters: int, flip: str, around: tuple[int, int, int, int], times: int | None
) -> None:
    column, row = place
    pixels = np.zeros((20, 30), np.uint8)
    pixels[row, column] = 255
    lit = image(pixels)
    left, right = column + 1 - around[0], column + 1 + around[1]
    top, bottom = row + 1 - around[2], row + 1 + around[3]
    turn = {"ImageRotation": quarters * 90, "ImageHorizontalFlip": flip}
    shown = area(left, top, right, bottom)
    at = (column + 0.5, row + 0.5, column + 0.5, row + 0.5)
    made = state(lit, DisplayedAreaSelectionSequence=[shown], **turn)
    size = (right - left + 1, bottom - top + 1)[:: -1 if quarters % 2 else 1]
    parameters = RenderParameters(viewport=Viewport(size[0] * times, size[1] * times) if times else None)
    bright = np.argwhere(look(made, lit, parameters) > 250).mean(axis=0)
    dot = marked(graphic("POLYLINE", *at))
    made.GraphicAnnotationSequence = [dot]
    mark = np.argwhere(look(made, BLACK, parameters)).mean(axis=0)
    assert np.abs(bright - mark).max() <= 0.5
