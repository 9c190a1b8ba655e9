"""What the viewer computes, asked of its modules in a browser: scales, windows, colours, overlays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.browser import module, needs_chromium, page
from tests.conformance.server import Server

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def library(open_archive: Server, chromium: Any) -> Iterator[Any]:
    """A page for all of them: they leave nothing behind in it."""
    with page(chromium, open_archive.url) as opened:
        yield opened


def test_measures_are_millimetres_only_where_they_are_known(library: Any) -> None:
    spaced = "{aspect: 2, spacing: {row: 0.5, column: 0.25}}"
    detector = "{aspect: 1, spacing: {row: 1, column: 1, atDetector: true}}"
    line = "{kind: 'length', points: [[0, 0], [30, 20]]}"
    corner = "{kind: 'angle', points: [[10, 0], [0, 0], [0, 7]]}"
    for image, measure, said in (
        (spaced, line, "12.5 mm"),
        (detector, line, "36.1 mm *"),
        ("{aspect: 1}", line, "36.1 px"),
        (spaced, corner, "90°"),
    ):
        assert module(library, "viewer/measure.js", f"m.labelOf({image}, {measure})") == said


@pytest.mark.parametrize(
    ("tag", "projected"),
    [("00280030", False), ("00181164", True), ("30020011", True), ("00182010", True)],
)
def test_every_spacing_is_a_scale(library: Any, tag: str, projected: bool) -> None:
    """Of pixels in the patient, at the detector, in the plane of an RT image, on a film that was scanned."""
    dataset = json.dumps({tag: {"vr": "DS", "Value": ["0.5", "0.25"]}})
    spacing = module(library, "viewer/image.js", f"new m.Image({dataset}, 0).spacing")
    assert spacing == {"row": 0.5, "column": 0.25, "atDetector": projected}


def region(*corners: int, units: int = 3, delta: float = 0.05, kind: int = 1) -> dict[str, Any]:
    """Corners: left upper, right lower, both inclusive; `delta`: of rows, twice that of columns."""
    numbers = (kind, *corners, units, units, delta / 2, -delta)
    tags = ("12", "18", "1A", "1C", "1E", "24", "26", "2C", "2E")
    return {f"001860{tag}": {"Value": [value]} for tag, value in zip(tags, numbers, strict=True)}


@pytest.mark.parametrize(
    ("regions", "said"),
    [
        ([region(0, 0, 63, 63)], "12.5 mm"),
        ([region(30, 20, 63, 63)], "36.1 px"),  # half of it lies outside
        ([region(0, 0, 640, 480)], "36.1 px"),  # of a larger image, of which this is a copy
        ([region(0, 0, 63, 63, units=4)], "36.1 px"),  # seconds
        ([region(0, 0, 63, 63, kind=2)], "36.1 px"),  # motion over time
        ([region(0, 0, 63, 63, kind=0, units=0), region(0, 0, 63, 63)], "12.5 mm"),
        ([region(0, 0, 63, 63), region(0, 0, 40, 40, delta=0.1)], "36.1 px"),  # one upon the other
        ([], "36.1 px"),
    ],
)
def test_ultrasound_is_measured_within_its_region(
    library: Any, regions: list[dict[str, Any]], said: str
) -> None:
    dataset = json.dumps(
        {"00280010": {"Value": [64]}, "00280011": {"Value": [64]}, "00186011": {"Value": regions}}
    )
    base = library.get_attribute("link[rel=icon]", "href").rsplit("/", 1)[0]
    line = "{kind: 'length', points: [[0, 0], [30, 20]]}"
    shown = f"import('{base}/viewer/image.js').then(i => m.labelOf(new i.Image({dataset}, 0), {line}))"
    assert module(library, "viewer/measure.js", shown) == said


@pytest.mark.parametrize(
    ("shape", "levels"),
    [("LINEAR", [0, 0, 128, 255]), ("LINEAR_EXACT", [0, 2, 127.5, 255]), ("SIGMOID", [0.0, 31, 127.5, 250])],
)
def test_windows_are_those_of_the_standard(library: Any, shape: str, levels: list[float]) -> None:
    """PS3.3 §C.11.2.1.2 and C.11.2.1.3, of a window from 0 to 100, at -100, 1 (or less), 50 and 150."""
    values = [-100, 0.5 if shape == "LINEAR" else 1, 50, 150]
    window = f"m.windowing({{center: 50, width: 100, shape: '{shape}'}})"
    found = module(library, "viewer/lut.js", f"{values}.map({window})")
    assert found == pytest.approx(levels, abs=2.6)


def test_values_above_a_supplemental_palettes_first_have_its_colours(library: Any) -> None:
    """PS3.3 §C.8.16.2.1.1.1; the ones below are gray under the window."""
    paint = """
    (() => {
      const target = new Uint32Array(4);
      const frame = { samples: Uint16Array.of(0, 50, 100, 102), min: 0, max: 102 };
      const channels = [[255, 0], [0, 255], [0, 7]].map((values) => ({ first: 100, values }));
      const supplemental = { first: 100, channels };
      const look = { key: "x", rescale: { slope: 1, intercept: 0 }, tables: { supplemental } };
      const window = { center: 50, width: 100, shape: "LINEAR_EXACT" };
      new m.Painter().paint(target, frame, { ...look, window, invert: false });
      return [...new Uint8Array(target.buffer)];
    })()"""
    found = module(library, "viewer/lut.js", paint)
    assert [found[at : at + 3] for at in (0, 4, 8, 12)] == [
        [0, 0, 0],
        [128, 128, 128],
        [255, 0, 0],
        [0, 255, 7],
    ]


def test_overlays_are_drawn_where_they_begin(library: Any) -> None:
    """Of the second of two frames, whose bitmap begins within a byte, and which leaves the image."""
    draw = """
    (async (value) => {
      const bits = { vr: "OW", InlineBinary: btoa(String.fromCharCode(0x40, 0x05)) };
      const dataset = {
        60020010: value("US", 2), 60020011: value("US", 3), 60020015: value("IS", 2),
        60020051: value("IS", 1), 60020050: value("SS", 2, 3), 60023000: bits,
      };
      const pixels = new Uint32Array(12);
      m.drawOverlays(pixels, 4, 3, await m.overlaysOf(dataset, 2));
      const none = await m.overlaysOf(dataset, 3);
      return [[...pixels.keys()].filter((at) => pixels[at]), none.length];
    })((vr, ...Value) => ({ vr, Value }))"""
    painted, none = module(library, "viewer/overlay.js", draw)
    assert (painted, none) == ([6, 11], 0)
