"""Mammograms side by side hang chest wall to chest wall, and what they say of sides stays true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, generate_uid

from tests.conformance import phantom
from tests.conformance.browser import needs_chromium, page, painted, picture_drawn, until
from tests.conformance.server import Server

PANES = """() => [...document.querySelectorAll(".pane")].map((pane) => {
  const canvas = pane.querySelector("canvas");
  const row = canvas.getContext("2d").getImageData(0, Math.round(canvas.height / 3), canvas.width, 1).data;
  const lit = Array.from({ length: canvas.width }, (_, x) => x).filter((x) => row[4 * x] > 200);
  const text = (path) => pane.querySelector(path)?.innerText ?? "";
  return {
    view: text(".laterality"), left: text(".side.left"), right: text(".side.right"),
    said: text(".corner.bl"), from: lit[0] / canvas.width, to: (lit.at(-1) + 1) / canvas.width,
  };
})"""
"""What each pane says, and where across it its picture is white: in these images, the chest wall."""

pytestmark = needs_chromium


@dataclass(frozen=True)
class Held:
    server: Server
    studies: dict[str, Dataset]

    def panes(self, chromium: Any, name: str, views: list[str], *keys: str) -> list[dict[str, Any]]:
        """Once the `views` hang in this order."""
        uid = self.studies[name].StudyInstanceUID
        with page(chromium, f"{self.server.url}/view?StudyInstanceUIDs={uid}") as opened:
            picture_drawn(opened)
            for key in keys:
                opened.keyboard.press(key)
            drawn = "[...document.querySelectorAll('.pane canvas')].every((each) => each.dataset.image)"
            until(opened, drawn)
            until(opened, lambda: [each["view"] for each in opened.evaluate(PANES)] == views)
            painted(opened)
            found: list[dict[str, Any]] = opened.evaluate(PANES)
            return found


STUDIES = {
    "four": [("L", "CC", "A\\R"), ("L", "MLO", "A\\F"), ("R", "CC", "P\\L"), ("R", "MLO", "A\\F")],
    "unknown": [("L", "CC", "A\\R"), ("R", "CC", "")],
    "turned": [("L", "CC", "A\\R"), ("R", "CC", "A\\R")],
    "one side": [("L", "CC", "A\\R"), ("L", "MLO", "A\\F")],
}
"""Laterality, view and Patient Orientation, in the order of series."""


def mammogram(of: Dataset, number: int, laterality: str, view: str, orientation: str) -> Dataset:
    pixels = np.full((90, 30), 40, np.uint8)
    pixels[:, -3:] = 255  # the chest wall, behind
    if orientation.startswith("A"):
        pixels = pixels[:, ::-1]
    ds = phantom.data_set(DigitalMammographyXRayImageStorageForPresentation, of, generate_uid(), 1)
    ds.Modality, ds.SeriesNumber, ds.SeriesDescription = "MG", number, f"{laterality} {view}"
    ds.ImageLaterality, ds.ViewPosition, ds.PatientOrientation = laterality, view, orientation
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.PixelData = pixels.tobytes()
    return ds


@pytest.fixture(scope="module")
def held(open_archive: Server) -> Held:
    studies, images = {}, []
    for name, views in STUDIES.items():
        patient = phantom.patient(f"{name}^M", f"M-{name}", "19600101", "F")
        studies[name] = phantom.study(patient, "20261120", name, "")
        images += [mammogram(studies[name], number, *each) for number, each in enumerate(views, 1)]
    open_archive.bring_in(*images)
    return Held(open_archive, studies)


def test_four_views_hang_in_pairs(held: Held, chromium: Any) -> None:
    """The right MLO is stored as if it were a left one."""
    panes = held.panes(chromium, "four", ["R CC", "L CC", "R MLO", "L MLO"], "g", "g", "g")
    for each in panes[::2]:
        assert (each["left"], each["right"]) == ("A", "P")
        assert each["from"] > 0.8
        assert each["to"] > 0.99
    for each in panes[1::2]:
        assert (each["left"], each["right"]) == ("P", "A")
        assert each["from"] < 0.01
        assert each["to"] < 0.2
    assert ["mirrored" in each["said"] for each in panes] == [False, False, True, False]


@pytest.mark.parametrize("name", ["unknown", "turned", "one side"])
def test_in_doubt_images_stay_as_stored(held: Held, chromium: Any, name: str) -> None:
    """One does not say where its chest wall is; one would have to be turned upside down."""
    stored = STUDIES[name]
    panes = held.panes(chromium, name, [f"{side} {view}" for side, view, _ in stored], "g")
    for (_, _, orientation), each in zip(stored, panes, strict=True):
        assert each["right"] == orientation[:1]
        assert 0.1 < each["from"] < each["to"] < 0.9, "in the middle"
        assert (each["from"] < 0.5) == orientation.startswith("A")
        assert "mirrored" not in each["said"]


def test_what_is_measured_in_a_mirrored_image_stays_where_it_was_drawn(held: Held, chromium: Any) -> None:
    uid = held.studies["four"].StudyInstanceUID
    with page(chromium, f"{held.server.url}/view?StudyInstanceUIDs={uid}") as opened:
        picture_drawn(opened)
        for key in ("g", "g", "g", "l"):
            opened.keyboard.press(key)
        until(opened, "document.querySelectorAll('.pane')[2].innerText.includes('mirrored')")
        pane = opened.locator(".pane").nth(2)
        box = pane.bounding_box()
        x, y = box["x"] + box["width"] - 60, box["y"] + 150
        opened.mouse.move(x, y)
        opened.mouse.down()
        opened.mouse.move(x + 40, y, steps=4)
        opened.mouse.up()
        painted(opened)
        yellow = pane.locator("canvas").evaluate("""(canvas) => {
          const { width, height } = canvas;
          const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
          const at = [];
          for (let n = 0; n < data.length; n += 4)
            if (data[n] > 240 && data[n + 1] > 190 && data[n + 2] < 140) at.push((n / 4) % width);
          return [Math.min(...at) / width, Math.max(...at) / width];
        }""")
        assert yellow[0] == pytest.approx((box["width"] - 60) / box["width"], abs=0.02)
        assert yellow[1] >= (box["width"] - 20) / box["width"] - 0.02
