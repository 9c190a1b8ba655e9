"""Bringing in images in a browser: files, folders, and what became of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conformance import phantom
from tests.conformance.browser import needs_chromium, page
from tests.conformance.server import Server

pytestmark = needs_chromium


def test_files_and_folders(open_archive: Server, chromium: Any, tmp_path: Path) -> None:
    """What is plainly no DICOM in a folder is left out; a file that was chosen by itself is told about."""
    study = phantom.study(
        phantom.patient("Uploaded^Ursula", "LB-9", "19800101", "F"), "20261121", "CT", "U-1"
    )
    folder = tmp_path / "disc"
    (folder / "deep").mkdir(parents=True)
    for number, ds in enumerate(phantom.ct(study, 3, 16)):
        (folder / "deep" / f"{number}").write_bytes(phantom.file_bytes(ds))
    (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (folder / "README.TXT").write_text("Viewer inside")
    alone = tmp_path / "<img src=x onerror=document.title=1>.txt"
    alone.write_text("nothing")
    with page(chromium, f"{open_archive.url}/uploads") as opened:
        inputs = opened.locator("input[type=file]")
        inputs.nth(1).set_input_files(folder)
        opened.get_by_text("3 of 3 processed").wait_for()
        opened.get_by_text("2 files are not DICOM and were left out").wait_for()
        inputs.nth(0).set_input_files(alone)
        latest = opened.locator(".task").filter(has_text=alone.name)
        latest.locator("summary").click()
        latest.get_by_text(alone.name).wait_for()
        assert "Upload images" in opened.title()
        opened.get_by_role("link", name="Studies").click()
        opened.get_by_text("Uploaded, Ursula").wait_for()


def test_what_is_being_sent_can_be_given_up(open_archive: Server, chromium: Any, tmp_path: Path) -> None:
    """And the next files go as ever; what was done of them in full is not what failed."""
    file = tmp_path / "late.txt"
    file.write_text("nothing")
    with page(chromium, f"{open_archive.url}/uploads") as opened:
        held: list[Any] = []
        opened.route("**/api/v1/uploads", lambda route: held.append(route))  # a method cannot be one
        chooser = opened.locator("input[type=file]").nth(0)
        chooser.set_input_files(file)
        opened.get_by_text("Sending 0 of 1").wait_for()
        opened.get_by_role("button", name="Cancel").click()
        opened.get_by_text("Sending 0 of 1").wait_for(state="detached")
        assert opened.locator(".failure").count() == 0
        opened.unroute("**/api/v1/uploads")
        chooser.set_input_files(file)
        latest = opened.locator(".task").filter(has_text=file.name)
        opened.wait_for_selector(".task")
        opened.locator("summary").first.click()
        latest.first.locator(".outcome", has_text="Failed").wait_for()


def test_what_came_in_stays_while_the_server_cannot_be_asked(
    open_archive: Server, chromium: Any, tmp_path: Path
) -> None:
    file = tmp_path / "stays.txt"
    file.write_text("nothing")
    with page(chromium, f"{open_archive.url}/uploads") as opened:
        opened.locator("input[type=file]").nth(0).set_input_files(file)
        opened.locator(".task").filter(has_text=file.name).wait_for()
        # not as a route: the browser would log the failure
        opened.evaluate("() => (window.fetch = () => Promise.reject(new TypeError()))")
        opened.locator(".failure").wait_for()
        assert opened.locator(".task").filter(has_text=file.name).count() == 1


def test_axe_finds_nothing(open_archive: Server, chromium: Any) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python"
    )
    with page(chromium, f"{open_archive.url}/uploads", bypass_csp=True) as opened:
        opened.get_by_text("What came in").wait_for()
        for theme in ("dark", "light", "contrast"):
            opened.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
            violations = axe.Axe().run(opened).response["violations"]
            assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in violations] == []


def test_many_files_go_some_at_a_time(open_archive: Server, chromium: Any) -> None:
    """A hundred at most, an archive alone, and what the server refuses holds up nothing."""
    send = """
    (async () => {
      const asked = [];
      window.fetch = async (url, { body }) => {
        const files = body.getAll("files").map((each) => each.name);
        asked.push(files);
        return new Response('{"message": "no"}', { status: files[0] === "bad.zip" ? 422 : 202 });
      };
      const named = (name) => ({ file: new File(["x"], name), path: name });
      const many = Array.from({ length: 150 }, (_, n) => named(`${n}`));
      await m.send([...many, named("bad.zip"), named("last")]);
      return [asked.map((each) => each.length), m.sending.value.sent, m.sending.value.problem?.status];
    })()"""
    with page(chromium, f"{open_archive.url}/uploads") as opened:
        base = opened.get_attribute("link[rel=icon]", "href").rsplit("/", 1)[0]
        opened.get_by_text("What came in").wait_for()
        found = opened.evaluate(f"import('{base}/core/uploading.js').then(m => {send})")
    assert found == [[100, 50, 1, 1], 152, 422]
