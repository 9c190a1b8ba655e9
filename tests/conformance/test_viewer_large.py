"""A series of many images: the first is seen before all are known, and what is in sight comes first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import phantom
from tests.conformance.browser import another_drawn, needs_chromium, page, picture, picture_drawn, until
from tests.conformance.server import Server

SLICES = 48
OF_ONE = re.compile(r"/instances/[0-9.]+/metadata$")
OF_ALL = re.compile(r"/series/[0-9.]+/metadata$")

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a study with one large series, in an open archive."""
    folder = tmp_path_factory.mktemp("large")
    server = Server(folder / "data", {"PACS_OPEN": "1"})
    server.start()
    study = phantom.study(phantom.patient("Large^Lea", "LB-9", "19800101", "F"), "20261120", "CT", "A-9")
    files: Path = folder / "files"
    files.mkdir()
    for number, ds in enumerate(phantom.ct(study, SLICES, 32)):
        (files / f"{number}.dcm").write_bytes(phantom.file_bytes(ds))
    server.quick_command("import", str(files))
    yield f"{server.url}/view?StudyInstanceUIDs={study.StudyInstanceUID}"
    server.stop()


def test_the_first_image_does_not_wait_for_the_metadata_of_all(url: str, chromium: Any) -> None:
    """Nor for thumbnails; nothing is fetched twice, and the place in the stack is told once it is known."""
    with page(chromium, "about:blank") as opened:
        held: list[Any] = []
        asked: list[str] = []
        opened.context.route(OF_ALL, lambda route: held.append(route))  # a method cannot be one
        opened.on("request", lambda request: asked.append(request.url))
        opened.goto(url)
        picture_drawn(opened)
        shown = opened.evaluate("document.querySelector('.pane canvas').dataset.image")
        assert opened.inner_text("[data-position]").splitlines()[-1] == f"… / {SLICES}"
        opened.keyboard.press("4")
        until(opened, "document.querySelector('.corner.bl').innerText.includes('W 2,500 · L 500')")

        until(opened, lambda: held)
        held.pop().continue_()
        until(opened, f"document.querySelector('[data-position]').innerText.endsWith('24 / {SLICES}')")
        assert opened.evaluate("document.querySelector('.pane canvas').dataset.image") == shown
        assert "W 2,500 · L 500" in opened.inner_text(".corner.bl")
        until(opened, "document.querySelector('.thumbbar i').style.blockSize === '100%'")
        opened.wait_for_selector(".strip img")
    frames = [url for url in asked if "/frames/" in url]
    assert len(frames) == len(set(frames)) == SLICES
    (thumbnail,) = (at for at, url in enumerate(asked) if url.endswith("/thumbnail"))
    assert asked.index(frames[0]) < thumbnail


def test_the_first_frame_is_fetched_beside_its_metadata(url: str, chromium: Any) -> None:
    """As soon as its instance is known, once; it is shown when it can be read."""
    with page(chromium, "about:blank") as opened:
        held: list[Any] = []
        frames: list[str] = []
        opened.context.route(OF_ONE, lambda route: held.append(route))
        opened.on(
            "request", lambda request: frames.append(request.url) if "/frames/" in request.url else None
        )
        opened.goto(url)
        until(opened, lambda: held and frames)
        (first,) = frames
        assert opened.inner_text(".pane") == "Loading"
        assert opened.evaluate("document.querySelector('.pane canvas').dataset.image || ''") == ""
        held.pop().continue_()
        picture_drawn(opened)
        shown = opened.evaluate("document.querySelector('.pane canvas').dataset.image")
        assert first.endswith(f"/instances/{shown.replace('/', '/frames/')}")
    assert frames.count(first) == 1


def test_what_is_in_sight_does_not_wait_for_what_lies_far_from_it(url: str, chromium: Any) -> None:
    """One of the pictures on their way that nobody looks at any more is given up."""
    with page(chromium, "about:blank") as opened:
        held: list[Any] = []
        let_through = 1

        def first_ones(route: Any) -> None:
            nonlocal let_through
            if let_through:
                let_through -= 1
                route.continue_()
            else:
                held.append(route)

        opened.context.route("**/frames/*", first_ones)
        opened.goto(url)
        picture_drawn(opened)
        until(opened, lambda: len(held) >= 4)
        before = picture(opened)
        let_through = 10 * SLICES  # those that are held keep their places
        opened.keyboard.press("End")
        until(opened, f"document.querySelector('[data-position]').innerText.endsWith('{SLICES} / {SLICES}')")
        another_drawn(opened, before)
