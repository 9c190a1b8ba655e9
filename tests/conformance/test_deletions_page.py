"""Deleting a study and bringing it back in a browser, by keyboard alone; who may not is not offered it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance import phantom
from tests.conformance.browser import needs_chromium, page, until
from tests.conformance.server import Server

pytestmark = needs_chromium

NAMES = ("Alpha^Anna", "Beta^Bruno", "Gamma^<b>Greta</b>", "Delta^Dora")
REASON = "sent under the <i>wrong</i> name"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("deletions")
    (folder / "files").mkdir()
    for number, name in enumerate(NAMES):
        patient = phantom.patient(name, f"LB-{number}", "19800101", "F")
        study = phantom.study(patient, f"2026112{number}", f"CT {number}", f"D-{number}")
        for count, ds in enumerate(phantom.ct(study, 2, 16)):
            (folder / "files" / f"{number}-{count}").write_bytes(phantom.file_bytes(ds))
    made = Server(folder / "data")
    made.start()
    made.quick_command("import", str(folder / "files"))
    yield made
    made.stop()


def as_role(server: Server, role: str) -> dict[str, Any]:
    return {"extra_http_headers": {"Authorization": f"Bearer {server.token(role)}"}}


def delete_by_keyboard(opened: Any, words: str) -> None:
    """The one study that the search finds."""
    opened.wait_for_selector("#row-0")
    opened.keyboard.press("/")
    opened.keyboard.type(words)
    until(opened, "document.querySelectorAll('[role=row][id]').length === 1")
    opened.keyboard.press("ArrowDown")  # into the list
    opened.keyboard.press("ArrowDown")
    opened.wait_for_selector("aside .details")
    opened.keyboard.press("Delete")
    opened.wait_for_selector("dialog[open] button.danger:disabled")
    opened.keyboard.type(REASON)
    opened.keyboard.press("Enter")
    opened.wait_for_selector("dialog", state="detached")


def test_a_study_is_deleted_and_the_deletion_undone(server: Server, chromium: Any) -> None:
    with page(chromium, server.url, **as_role(server, "admin")) as opened:
        delete_by_keyboard(opened, "Alpha")
        opened.get_by_text("Deleted: Alpha, Anna").wait_for()
        opened.get_by_text("No study matches").wait_for()
        opened.keyboard.press("Control+z")
        opened.get_by_text("Restored: Alpha, Anna").wait_for()
        opened.wait_for_selector("#row-0 >> text=Alpha, Anna")


def test_the_offer_to_undo_stays_while_somebody_is_at_it(server: Server, chromium: Any) -> None:
    """WCAG 2.2.1; the page's clock is moved by hand."""
    with page(chromium, server.url, **as_role(server, "admin")) as opened:
        opened.clock.install()
        opened.reload()
        delete_by_keyboard(opened, "Alpha")
        undo = opened.locator("[role=status] .toast").get_by_role("button", name="Undo")
        undo.focus()
        opened.clock.fast_forward(120_000)
        undo.hover()
        opened.focus("[role=searchbox], input[type=search], .top input")
        opened.clock.fast_forward(120_000)
        opened.mouse.move(5, 5)
        opened.clock.fast_forward(4000)  # the time that it takes besides is real
        assert undo.is_visible()
        undo.focus()
        opened.keyboard.press("Enter")
        opened.get_by_text("Restored: Alpha, Anna").wait_for()
        until(opened, "document.activeElement.matches('.top input')")
        opened.clock.fast_forward(13_000)
        opened.get_by_text("Restored: Alpha, Anna").wait_for(state="detached")


def test_what_was_deleted_is_listed_and_restored(server: Server, chromium: Any) -> None:
    with page(chromium, server.url, **as_role(server, "admin")) as opened:
        delete_by_keyboard(opened, "Gamma")
        opened.get_by_role("link", name="Deleted").click()
        opened.wait_for_selector("#row-0 >> text=Gamma, <b>Greta</b>")
        opened.keyboard.press("ArrowDown")
        said = opened.inner_text("aside .details")
        for words in (REASON, "admin@default.test", "LB-2", "Study, 2 images", "in 30 days"):
            assert words in said
        opened.keyboard.press("Enter")
        opened.get_by_text("Restored: Gamma").wait_for()
        opened.get_by_text("Nothing to restore").wait_for()
        assert opened.get_by_text("Deleted: Gamma").count() == 0
        opened.get_by_role("link", name="Studies").click()
        opened.get_by_role("gridcell", name="Gamma, <b>Greta</b>").wait_for()


def test_users_who_may_not_delete_are_not_offered_it(server: Server, chromium: Any) -> None:
    with page(chromium, server.url, **as_role(server, "radiologist")) as opened:
        opened.wait_for_selector("#row-0")
        opened.focus("[role=grid]")
        opened.keyboard.press("ArrowDown")
        opened.wait_for_selector("aside .details")
        opened.keyboard.press("Delete")
        opened.wait_for_timeout(300)
        assert opened.query_selector("dialog") is None
        assert opened.query_selector("[aria-label='Delete study'], .rail a[href$=deletions]") is None
        opened.goto(f"{server.url}/deletions")
        opened.get_by_text("Not for this account").wait_for()


def test_axe_finds_nothing(server: Server, chromium: Any) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python"
    )

    def nothing_found() -> None:
        for theme in ("dark", "light", "contrast"):
            opened.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
            violations = axe.Axe().run(opened).response["violations"]
            assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in violations] == []

    with page(chromium, server.url, bypass_csp=True, **as_role(server, "admin")) as opened:
        delete_by_keyboard(opened, "Beta")
        nothing_found()
        opened.goto(f"{server.url}/deletions")
        opened.wait_for_selector("#row-0")
        opened.keyboard.press("ArrowDown")
        opened.wait_for_selector("aside .details")
        nothing_found()
        opened.goto(f"{server.url}/?q=Alpha")
        opened.wait_for_selector("#row-0")
        opened.keyboard.press("ArrowDown")
        opened.wait_for_selector("aside .details")
        opened.keyboard.press("Delete")
        opened.wait_for_selector("dialog[open]")
        nothing_found()


def test_a_deletion_is_told_although_the_connection_breaks_after_it(server: Server, chromium: Any) -> None:
    with page(chromium, server.url, **as_role(server, "admin")) as opened:
        # not as a route: the browser would log the failure
        opened.evaluate(
            """() => {
              const fetched = window.fetch;
              window.fetch = (url, ...rest) =>
                String(url).includes("/deletions/") ? Promise.reject(new TypeError()) : fetched(url, ...rest);
            }"""
        )
        delete_by_keyboard(opened, "Delta")
        opened.get_by_text("Deleted: Delta, Dora").wait_for()
        assert opened.get_by_role("button", name="Undo").count() == 0
