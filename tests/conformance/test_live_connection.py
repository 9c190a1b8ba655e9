"""Every page with live data says when its updates are interrupted, keeps what it shows, and catches up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conformance import phantom
from tests.conformance.browser import needs_chromium, page, picture_drawn, until
from tests.conformance.server import Server
from tests.conformance.test_viewer_changed import bring_in

TOLD = "document.querySelector('.banner')?.innerText.includes('live connection is gone')"
NOT_TOLD = "!document.querySelector('.banner')?.innerText"

pytestmark = needs_chromium


def test_an_interruption_is_told_until_it_is_over(tmp_path: Path, chromium: Any) -> None:
    """In the viewer, where images that came meanwhile are told, too."""
    server = Server(tmp_path / "data", {"PACS_OPEN": "1"})
    server.start()
    study = phantom.study(phantom.patient("Live^Liv", "L-2", "19800101", "F"), "20261120", "CT", "L-2")
    images = list(phantom.ct(study, 5, 32, "Growing"))
    bring_in(server, tmp_path, *images[:4])
    list_url, view_url = f"{server.url}/", f"{server.url}/view?StudyInstanceUIDs={study.StudyInstanceUID}"
    with page(chromium, list_url) as studies, page(chromium, view_url) as viewer:
        picture_drawn(viewer)
        viewer.keyboard.press("i")
        until(studies, "document.querySelector('.state.live') !== null")
        for opened in (studies, viewer):
            assert opened.evaluate(NOT_TOLD)
        studies.keyboard.press("/")
        with studies.expect_response(lambda answer: "Liv" in answer.url):
            studies.keyboard.type("Liv")
        refused: list[Any] = []
        viewer.on("requestfailed", lambda request: refused.append(request.url))
        server.stop()
        for opened in (studies, viewer):
            until(opened, TOLD)
        until(viewer, lambda: len(refused) > 1)  # the browser has tried again, and so has the page
        viewer.keyboard.press("Home")
        bring_in(server, tmp_path, images[4])
        server.start()
        for opened in (studies, viewer):
            until(opened, NOT_TOLD)
        assert studies.input_value("#search") == "Liv"
        assert viewer.get_attribute("button[aria-keyshortcuts=i]", "aria-pressed") == "true"
        assert viewer.inner_text("[data-position]").endswith("1 / 4")
        until(viewer, "document.querySelector('.patient .changed').innerText !== ''")
    server.stop()
