"""The list of studies in a browser: its order, its buttons, little room; and pictures that come late."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from pydicom.dataset import Dataset

from tests.conformance import phantom
from tests.conformance.browser import (
    PATIENCE,
    another_drawn,
    needs_chromium,
    page,
    picture,
    picture_drawn,
    until,
)
from tests.conformance.server import Server

pytestmark = needs_chromium

NAMES = {"Beta^Ben": "20260301", "Alpha^Ann": "20260201", "Gamma^Gus": "20260101", "Omega^Ona": "20240101"}
DESCRIPTIONS = {"Omega^Ona": "Gama knife"}
FIRST_COLUMN = "[...document.querySelectorAll('[role=row][id] > :first-child')].map((cell) => cell.innerText)"

SIGHT = """(state) => {
  Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
  Object.defineProperty(document, "hidden", { value: state === "hidden", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
"""Headless tabs are all in sight."""


@pytest.fixture(scope="module")
def url(open_archive: Server) -> str:
    images: list[Dataset] = []
    for number in range(12):
        names = dict(NAMES) if number == 0 else {f"Zeta^{number:02}": f"2025010{number % 9 + 1}"}
        for name, day in names.items():
            description = DESCRIPTIONS.get(name, f"CT of {name}")
            study = phantom.study(phantom.patient(name, f"P-{name}", "", "O"), day, description, name[:4])
            images += phantom.ct(study, 2, 32)
    open_archive.bring_in(*images)
    return open_archive.url


def until_first(opened: Any, names: list[str]) -> None:
    until(opened, f"JSON.stringify({FIRST_COLUMN}.slice(0, 3)) === JSON.stringify({names})")


def test_a_heading_sorts(url: str, chromium: Any) -> None:
    """Up, down, and newest first again; the order is in the address, and what has it is said."""
    with page(chromium, url) as opened:
        until_first(opened, ["Beta, Ben", "Alpha, Ann", "Gamma, Gus"])
        assert opened.locator("[aria-sort=descending]").inner_text() == "Study date"
        heading = opened.get_by_role("button", name="Patient", exact=True)
        heading.focus()
        opened.keyboard.press("Enter")
        until_first(opened, ["Alpha, Ann", "Beta, Ben", "Gamma, Gus"])
        assert opened.locator("[aria-sort=ascending]").inner_text() == "Patient"
        opened.keyboard.press("Space")
        until_first(opened, ["Zeta, 11", "Zeta, 10", "Zeta, 09"])
        assert "sort=-patient" in opened.url
        opened.reload()
        until_first(opened, ["Zeta, 11", "Zeta, 10", "Zeta, 09"])
        heading.click()
        until_first(opened, ["Beta, Ben", "Alpha, Ann", "Gamma, Gus"])
        assert "sort" not in opened.url


def test_names_that_only_sound_alike_come_last_and_are_called_so(url: str, chromium: Any) -> None:
    with page(chromium, f"{url}/?q=gama") as opened:
        until(opened, f"{FIRST_COLUMN}.join() === 'Omega, Ona'")
        assert opened.locator(".alike").count() == 0
        opened.fill("#search", "gammma")
        until(opened, f"{FIRST_COLUMN}.join() === 'Gamma, Gus'")
        assert "“gammma”" in opened.inner_text(".alike")
        opened.fill("#search", "gamma")
        until(opened, "document.querySelectorAll('.alike').length === 0")
        until(opened, f"{FIRST_COLUMN}.join() === 'Gamma, Gus'")


def test_studies_between_two_days(url: str, chromium: Any) -> None:
    with page(chromium, url) as opened:
        opened.wait_for_selector("#row-3")
        opened.get_by_label("Date", exact=True).select_option("between")
        opened.get_by_label("From").fill("2026-01-15")
        until(opened, "document.querySelectorAll('[role=row][id]').length === 2")
        opened.get_by_label("To", exact=True).fill("2026-02-01")
        until(opened, f"{FIRST_COLUMN}.join() === 'Alpha, Ann'")
        opened.reload()
        until(opened, f"{FIRST_COLUMN}.join() === 'Alpha, Ann'")
        opened.get_by_label("Date", exact=True).select_option("")
        opened.wait_for_selector("#row-3")
        assert "from" not in opened.url


def test_enter_presses_the_button_that_has_the_focus(url: str, chromium: Any) -> None:
    """And does not open the images of the row that is chosen."""
    with page(chromium, url) as opened:
        opened.wait_for_selector("#row-2")
        opened.keyboard.press("ArrowDown")
        opened.get_by_role("button", name="Delete study").focus()
        opened.keyboard.press("Enter")
        opened.wait_for_selector("dialog[open]")
        assert "/view" not in opened.url


@pytest.mark.parametrize("size", [(390, 844), (720, 450)])
def test_the_row_that_is_chosen_stays_in_sight(url: str, chromium: Any, size: tuple[int, int]) -> None:
    """Where details lie below the list; 720 by 450 is a common screen at 200 %."""
    with page(chromium, url, viewport=dict(zip(("width", "height"), size, strict=True))) as opened:
        opened.wait_for_selector("#row-2")
        for _ in range(9):
            opened.keyboard.press("ArrowDown")
        until(opened, "document.querySelector('aside') && document.querySelector('[aria-selected=true]')")
        until(
            opened,
            """(() => {
              const row = document.querySelector('[aria-selected=true]').getBoundingClientRect();
              const list = document.querySelector('[role=grid]').getBoundingClientRect();
              const details = document.querySelector('aside').getBoundingClientRect();
              return row.top >= list.top && row.bottom <= list.bottom && list.bottom <= details.top + 1;
            })()""",
        )


def test_a_list_of_millions_is_walked_as_far_as_browsers_can_draw(url: str, chromium: Any) -> None:
    def many(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, headers={**answer.headers, "x-total-count": "5000000"})

    with page(chromium, url) as opened:
        opened.context.route("**/dicom-web/studies?*", many)
        opened.reload()
        until(opened, "document.querySelector('[role=grid]')?.ariaRowCount === '5000001'")
        grid = opened.locator("[role=grid]")
        assert 10_000_000 < grid.evaluate("(grid) => grid.scrollHeight") < 17_000_000, (
            "as Firefox draws no more"
        )
        last = grid.evaluate("(grid) => { grid.scrollTop = grid.scrollHeight; return grid.scrollTop; }")
        assert last > 10_000_000
        until(
            opened,
            "[...document.querySelectorAll('[id^=row-]')].some((row) => row.ariaRowIndex > 200000)",
        )
        opened.context.unroute_all(behavior="wait")  # else what is under way fails in the next test


def test_what_is_cut_off_is_told_in_words(url: str, chromium: Any) -> None:
    with page(chromium, url) as opened:
        opened.wait_for_selector("#row-0")
        cell = opened.locator("#row-0 > :nth-child(4)")
        cell.evaluate("(cell) => (cell.style.inlineSize = '20px')")
        cell.hover()
        assert cell.get_attribute("title") == "1 Mar 2026 09:15"


def test_a_damaged_image_says_what_to_do(url: str, chromium: Any) -> None:
    """The address of its file means nothing to a reader."""
    damaged = {"code": "INTEGRITY", "message": "blake3:12 is missing", "correlation_id": "abc"}
    context = chromium.new_context()  # not `page`: the browser logs the 500
    context.set_default_timeout(PATIENCE * 1000)
    try:
        opened = context.new_page()
        context.route("**/frames/**", lambda route: route.fulfill(status=500, json=damaged))
        opened.goto(url)
        opened.wait_for_selector("#row-2")
        opened.keyboard.press("ArrowDown")
        opened.keyboard.press("Enter")
        opened.get_by_text("Its stored file is damaged or missing.").wait_for()
        assert "blake3" not in opened.inner_text(".pane") and "abc" in opened.inner_text(".pane")
    finally:
        context.close()


def test_pictures_in_small_are_whole(url: str, chromium: Any) -> None:
    """Also those that are higher than wide, as of a chest or a breast."""
    tall = BytesIO()
    Image.new("L", (20, 60), 255).save(tall, "PNG")
    with page(chromium, url) as opened:
        opened.context.route("**/thumbnail", lambda route: route.fulfill(body=tall.getvalue()))
        opened.wait_for_selector("#row-2")
        for key, picture in (("ArrowDown", ".details .thumb img"), ("Enter", ".strip .thumb img")):
            opened.keyboard.press(key)
            until(opened, f"document.querySelector('{picture}')?.naturalHeight === 60")
            sizes = opened.locator(picture).first.evaluate(
                "(image) => [image.clientWidth, image.clientHeight, image.parentElement.clientHeight]"
            )
            assert len(set(sizes)) == 1, sizes
        opened.context.unroute_all(behavior="wait")


def test_a_session_that_ends_while_images_are_read_leads_to_signing_in(url: str, chromium: Any) -> None:
    """And from there back to the images."""
    with page(chromium, url) as opened:
        opened.wait_for_selector("#row-0")
        opened.keyboard.press("ArrowDown")
        opened.context.route("**/frames/**", lambda route: route.fulfill(status=401, json={"message": "No."}))
        opened.keyboard.press("Enter")
        opened.wait_for_selector("input[type=email]")
        assert "next=%2Fview%3FStudyInstanceUIDs" in opened.url
        opened.get_by_text("Your session has ended.").wait_for()


def test_pictures_that_could_not_be_fetched_are_tried_again(url: str, chromium: Any) -> None:
    """A connection that was gone for a moment; one press heals the whole series."""
    with page(chromium, url) as opened:
        opened.wait_for_selector("#row-0")
        opened.keyboard.press("ArrowDown")
        opened.context.route(
            "**/frames/**", lambda route: route.fulfill(status=503, json={"message": "Not now."})
        )
        opened.keyboard.press("Enter")
        opened.get_by_text("The server could not do this: Not now.").wait_for()
        opened.context.unroute("**/frames/**")
        opened.get_by_role("button", name="Try again").click()
        picture_drawn(opened)
        before = picture(opened)
        opened.keyboard.press("ArrowDown")
        another_drawn(opened, before)


def test_tabs_out_of_sight_take_no_connection_from_the_others(url: str, chromium: Any) -> None:
    """A browser has six connections to a server; what happened meanwhile is shown on return."""
    with page(chromium, "about:blank") as opened:
        tabs = [opened.context.new_page() for _ in range(7)]
        for tab in tabs:
            tab.goto(url)
            tab.wait_for_selector(".state.live")
            with tab.expect_event("requestfailed", lambda request: request.url.endswith("/events")):
                tab.evaluate(SIGHT, "hidden")
        (first, *_) = tabs
        with first.expect_response(lambda answer: "/dicom-web/studies?" in answer.url):
            first.evaluate(SIGHT, "visible")
