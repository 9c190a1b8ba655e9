"""Whose image is on the screen: each pane says it of its own, and never of another one's pixels."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.conformance import phantom
from tests.conformance.browser import needs_chromium, page, picture_drawn, until
from tests.conformance.server import Server

SLICES = 40
"""Enough for the first picture to come before the others are known."""
WATCH = """() => {
  window.seen = new Set();
  const text = (within, path) => within?.querySelector(path)?.textContent ?? "";
  const look = () => {
    for (const pane of document.querySelectorAll(".pane")) {
      const image = pane.querySelector("canvas").dataset.image;
      const banner = pane.dataset.active === "true" ? text(document, ".patient h1") : "";
      if (image) window.seen.add([image.split("/")[0], text(pane, ".whose"), banner].join("|"));
    }
  };
  const ruler = document.body.appendChild(document.createElement("i"));
  ruler.style.cssText = "position: fixed; inset: 0 auto auto -9px; inline-size: 1px; block-size: 1px";
  new ResizeObserver(look).observe(ruler);
  const turn = () => {
    ruler.style.inlineSize = ruler.offsetWidth === 1 ? "2px" : "1px";
    requestAnimationFrame(turn);
  };
  requestAnimationFrame(turn);
}"""
"""Notes of each frame which image lies beneath which names: once all is drawn, just before it is painted."""

pytestmark = needs_chromium


@dataclass(frozen=True)
class Held:
    server: Server
    studies: dict[str, Dataset]
    owners: dict[str, str]
    """SOP Instance UID → the name of its patient, as it is shown."""

    def view(self, *names: str) -> str:
        uids = ",".join(self.studies[name].StudyInstanceUID for name in names)
        return f"{self.server.url}/view?StudyInstanceUIDs={uids}"


@pytest.fixture(scope="module")
def held(open_archive: Server) -> Held:
    """Three patients, and a fourth whose images and report were sent into the first one's study."""
    names = ("Alpha", "Beta", "Gamma")
    studies = {
        name: phantom.study(phantom.patient(f"{name}^A", f"ID-{name}", "19500101", "F"), "20261120", name, "")
        for name in names
    }
    stranger = copy.deepcopy(studies["Alpha"])
    stranger.PatientName, stranger.PatientID = "Stranger^S", "ID-S"
    wrong = list(phantom.ct(stranger, 3, 32, "Sent amiss", series=2))
    wrong[0].ImageLaterality, wrong[0].ViewPosition = "R", "MLO"
    own = [ds for name in names for ds in phantom.ct(studies[name], SLICES, 64, f"of {name}")]
    for name in ("Namesake", "Nobody"):  # of whom little is known but an ID that many have
        of = phantom.study(phantom.patient(f"{name}^N", "1", "", ""), "20261101", name, "")
        studies[name] = of
        own += phantom.ct(of, 2, 32, f"of {name}")
    objects = [*own, *wrong, phantom.report(stranger)]
    open_archive.bring_in(*objects)
    owners = {ds.SOPInstanceUID: str(ds.PatientName).replace("^", ", ") for ds in objects}
    return Held(open_archive, studies, owners)


def test_each_pane_says_whose_image_it_shows(held: Held, chromium: Any) -> None:
    with page(chromium, held.view("Alpha")) as opened:
        picture_drawn(opened)
        opened.keyboard.press("g")
        until(opened, "document.querySelectorAll('.pane canvas')[1]?.dataset.image")
        first, second = (opened.locator(".corner.tl").nth(at).inner_text() for at in (0, 1))
        assert first.splitlines()[:2] == ["Alpha, A", "ID-Alpha · 1 Jan 1950"]
        assert second.splitlines()[:2] == ["Stranger, S", "ID-S · 1 Jan 1950"]
        opened.keyboard.press("n")
        opened.keyboard.press("Home")
        until(opened, "document.querySelectorAll('.corner.tr')[1].innerText.includes('R MLO')")


def test_an_object_of_another_patient_than_its_study_is_told(held: Held, chromium: Any) -> None:
    told = "Another patient: this is of Stranger, S, ID ID-S"
    with page(chromium, held.view("Alpha")) as opened:
        picture_drawn(opened)
        assert opened.locator(".mismatch").count() == 0
        opened.keyboard.press("ArrowRight")
        opened.get_by_text(told).wait_for()
        opened.keyboard.press("ArrowRight")
        opened.wait_for_selector(".document")
        assert opened.inner_text(".document .mismatch").strip() == told


def test_an_id_alone_makes_nobody_the_same(held: Held, chromium: Any) -> None:
    """To the archive two who share an ID are one patient, but each study has its objects' name."""
    for name in ("Namesake", "Nobody"):
        with page(chromium, held.view(name)) as opened:
            picture_drawn(opened)
            assert opened.locator(".mismatch").count() == 0
            assert opened.inner_text(".whose") == f"{name}, N"


def test_no_name_over_the_pixels_of_another(held: Held, chromium: Any) -> None:
    """Series of three patients in turn, faster than a slow network brings them."""
    with page(chromium, "about:blank") as opened:
        throttle(opened)
        opened.goto(held.view("Alpha", "Beta", "Gamma"))
        opened.wait_for_selector(".strip button")
        opened.evaluate(WATCH)
        for pause in (0, 40, 150, 400, 900):
            for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft", "ArrowLeft"):
                opened.keyboard.press(key)
                opened.wait_for_timeout(pause)
        picture_drawn(opened)
        check(held, opened)


def test_no_name_over_the_pixels_of_another_study(held: Held, chromium: Any) -> None:
    """From study to study through the history and the commands, faster than a slow network brings them."""
    with page(chromium, "about:blank") as opened:
        throttle(opened)
        opened.goto(held.view("Alpha"))
        opened.wait_for_selector(".strip button")
        opened.evaluate(WATCH)
        for name in ("Beta", "Gamma", "Alpha"):
            opened.keyboard.press("Control+k")
            opened.keyboard.type(name)
            opened.locator("[role=option]", has_text=f"{name}, A").wait_for()
            opened.keyboard.press("Enter")
            opened.wait_for_timeout(300)
        for pause in (50, 300, 1200):
            opened.evaluate("history.go(-2)")
            opened.wait_for_timeout(pause)
            opened.evaluate("history.go(1)")
            opened.wait_for_timeout(pause)
            opened.evaluate("history.go(1)")
            opened.wait_for_timeout(pause)
        picture_drawn(opened)
        check(held, opened)


def throttle(opened: Any) -> None:
    network = opened.context.new_cdp_session(opened)
    slow = {"offline": False, "latency": 200, "downloadThroughput": 100_000, "uploadThroughput": 100_000}
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", slow)


def check(held: Held, opened: Any) -> None:
    opened.keyboard.press("ArrowRight")  # a slow machine may have shown nothing in passing
    until(opened, "new Set([...window.seen].map((each) => each.split('|')[1])).size > 1")
    seen = [each.split("|") for each in opened.evaluate("[...window.seen]")]
    for image, whose, banner in seen:
        assert whose == held.owners[image]
        assert banner == whose or held.owners[image] == "Stranger, S"
