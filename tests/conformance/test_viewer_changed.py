"""Who reads a study hears of images that come while it is open, and loses their place to none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conformance import phantom
from tests.conformance.browser import needs_chromium, page, picture_drawn, until
from tests.conformance.server import Server

TOLD = "document.querySelector('.patient .changed').innerText.includes('images have arrived')"

pytestmark = needs_chromium


def test_images_that_come_while_a_study_is_read_are_told(tmp_path: Path, chromium: Any) -> None:
    server = Server(tmp_path / "data", {"PACS_OPEN": "1", "PACS_QUIET_PERIOD": "1"})
    server.start()
    study = phantom.study(phantom.patient("Late^Lea", "L-1", "19800101", "F"), "20261120", "CT", "L-1")
    images = list(phantom.ct(study, 6, 32, "Growing", series=2))
    bring_in(server, tmp_path, *phantom.ct(study, 3, 32, "Scout"), *images[:4])
    with page(chromium, f"{server.url}/view?StudyInstanceUIDs={study.StudyInstanceUID}") as opened:
        picture_drawn(opened)
        opened.keyboard.press("ArrowRight")
        until(opened, "document.querySelector('[data-position]').innerText.endsWith('/ 4')")
        picture_drawn(opened)
        opened.wait_for_timeout(3000)  # what came before is complete
        assert not opened.evaluate(TOLD)
        bring_in(server, tmp_path, *images[4:])
        until(opened, TOLD)
        assert opened.inner_text("[data-position]").endswith("/ 4")
        opened.get_by_role("button", name="Show it as it is now").click()
        until(opened, "document.querySelector('[data-position]')?.innerText.endsWith('/ 6')")
        assert not opened.evaluate(TOLD)
    server.stop()


def bring_in(server: Server, folder: Path, *images: Any) -> None:
    files = folder / f"{images[-1].SOPInstanceUID}"
    files.mkdir()
    for number, ds in enumerate(images):
        (files / f"{number}.dcm").write_bytes(phantom.file_bytes(ds))
    server.quick_command("import", str(files))
