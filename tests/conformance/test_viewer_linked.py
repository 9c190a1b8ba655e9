"""Two stacks that scroll together: a prior, in coordinates of its own, by millimetres and not by images."""

from __future__ import annotations

from typing import Any

from tests.conformance import phantom
from tests.conformance.browser import needs_chromium, page, picture_drawn, until
from tests.conformance.server import Server

THIN, THICK = 1, 5  # millimetres between images
LAST_LINE = "(each) => each.innerText.split('\\n').pop()"
POSITIONS = f"[...document.querySelectorAll('[data-position]')].map({LAST_LINE}).join()"

pytestmark = needs_chromium


def test_a_prior_goes_as_far_not_as_many_images(open_archive: Server, chromium: Any) -> None:
    patient = phantom.patient("Linked^Lou", "LK-1", "19800101", "F")
    now = phantom.study(patient, "20261120", "CT now", "LK-1")
    before = phantom.study(patient, "20250301", "CT before", "LK-0")
    images = []
    for study, count, apart in ((now, 25, THIN), (before, 9, THICK)):
        for number, ds in enumerate(phantom.ct(study, count, 32, f"Every {apart} mm")):
            ds.ImagePositionPatient = [0, 0, 1000 + apart * number]
            images.append(ds)
    open_archive.bring_in(*images)
    with page(chromium, f"{open_archive.url}/view?StudyInstanceUIDs={now.StudyInstanceUID}") as opened:
        picture_drawn(opened)
        opened.click(".strip button:has-text('Every 5 mm')")
        until(opened, f"{POSITIONS} === '13 / 25,5 / 9'")
        for key in ("n", "y", *["ArrowDown"] * 10):
            opened.keyboard.press(key)
        until(opened, f"{POSITIONS} === '23 / 25,7 / 9'")
        for _ in range(20):
            opened.keyboard.press("ArrowUp")
        until(opened, f"{POSITIONS} === '3 / 25,3 / 9'")
        opened.keyboard.press("n")
        opened.keyboard.press("ArrowDown")
        until(opened, f"{POSITIONS} === '8 / 25,4 / 9'")
