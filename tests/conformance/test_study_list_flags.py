"""What the list of studies says when a Patient ID is used for different people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import phantom
from tests.conformance.browser import module, needs_chromium, page, until
from tests.conformance.server import Server

pytestmark = needs_chromium

SHARED = "This patient ID is used for different people: studies with it have other names or dates of birth."
PEOPLE = (
    ("Ambrose^Ann", "EMERGENCY-1", "19700101", "20261103"),
    ("Zeller^Otto", "EMERGENCY-1", "19551231", "20261102"),
    ("Moreau^Claire", "P-77", "19840303", "20261101"),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("flags")
    started = Server(folder / "data", {"PACS_OPEN": "1"})
    started.start()
    for number, (name, id_, born, day) in enumerate(PEOPLE):
        study = phantom.study(phantom.patient(name, id_, born, "F"), day, name, "")
        (sent,) = phantom.ct(study, 1, 32, "of " + name)
        Path(folder / f"{number}.dcm").write_bytes(phantom.file_bytes(sent))
    started.quick_command("import", *(str(folder / f"{number}.dcm") for number in range(len(PEOPLE))))
    yield started
    started.stop()


def test_a_shared_id_is_marked_and_explained(server: Server, chromium: Any) -> None:
    with page(chromium, server.url) as opened:
        rows = opened.locator("[role=row]")
        rows.filter(has_text="Ambrose, Ann").get_by_role("img", name=SHARED).wait_for()
        marks = {name: rows.filter(has_text=name).locator(".flagged") for name in ("Zeller, Otto", "Moreau")}
        assert [marks[name].count() for name in marks] == [1, 0]
        assert marks["Zeller, Otto"].get_attribute("title") == SHARED
        rows.filter(has_text="Zeller, Otto").click()
        assert opened.locator(".details .flagnote").inner_text().strip() == SHARED
        rows.filter(has_text="Moreau").click()
        until(opened, "document.querySelector('.details h2').innerText.startsWith('Moreau')")
        assert opened.locator(".details .flagnote").count() == 0


def test_the_next_user_is_not_told_what_the_last_one_was(server: Server, chromium: Any) -> None:
    with page(chromium, server.url) as opened:
        opened.locator(".flagged").first.wait_for()
        opened.locator("[role=row]").filter(has_text="Zeller, Otto").click()
        opened.wait_for_selector(".details .flagnote")
        module(opened, "core/session.js", "{ m.session.value = { ...m.session.value, email: 'next' } }")
        for name in ("Moreau", "Zeller"):
            opened.locator("[role=row]").filter(has_text=name).click()
            until(opened, f"document.querySelector('.details h2').innerText.startsWith('{name}')")
        assert opened.locator(".details .flagnote").count() == 0


def test_the_list_is_there_when_the_flags_are_not(server: Server, chromium: Any) -> None:
    with page(chromium, "about:blank") as opened:
        opened.context.route("**/api/v1/studies?*", lambda route: route.fulfill(body="{"))
        opened.goto(server.url)
        opened.locator("[role=row]").filter(has_text="Moreau").wait_for()
        assert opened.locator(".flagged").count() == 0
