"""Keys in a list of studies whose rows come late: none is lost, and none opens what it was not meant for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.conformance.browser import needs_chromium, page, until
from tests.conformance.server import Server

STUDIES = 250
CHOSEN = "document.querySelector('[role=row][aria-selected=true]')?.innerText.split('\\n')[0]"
DETAILS = "document.querySelector('.details h2')?.innerText"

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = Server(tmp_path_factory.mktemp("keys") / "data", {"PACS_OPEN": "1"})
    server.start()
    yield server.url
    server.stop()


class Studies:
    """What is searched: `held` are the answers that do not come before `let_go`, those for a `slow` query."""

    def __init__(self, opened: Any) -> None:
        self.held: list[Any] = []
        self.slow = ""
        opened.context.route("**/dicom-web/studies?*", self._asked)
        opened.context.route("**/dicom-web/studies/*/series?*", lambda route: route.fulfill(json=[]))

    def _asked(self, route: Any) -> None:
        if self.slow and self.slow in route.request.url:
            self.held.append(route)
        else:
            self._answer(route)

    def let_go(self) -> None:
        self.slow = ""
        while self.held:
            self._answer(self.held.pop())

    def _answer(self, route: Any) -> None:
        asked = {name: value[0] for name, value in parse_qs(urlsplit(route.request.url).query).items()}
        words = asked.get("PatientName", asked.get("PatientID", "")).strip("*").lower()
        found = [study for study in map(study_of, range(STUDIES)) if words in json.dumps(study).lower()]
        if uid := asked.get("StudyInstanceUID"):
            found = [study for study in found if study["0020000D"]["Value"] == [uid]]
        first = int(asked.get("offset", 0))
        headers = {"X-Total-Count": str(len(found)), "Content-Type": "application/dicom+json"}
        shown = found[first : first + int(asked.get("limit", 100))]
        route.fulfill(status=200, headers=headers, body=json.dumps(shown))


def study_of(number: int) -> dict[str, Any]:
    name = f"{'Even' if number % 2 == 0 else 'Odd'}^N{number:03}"
    return {
        "0020000D": {"vr": "UI", "Value": [f"2.25.{number + 1}"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": name}]},
        "00100020": {"vr": "LO", "Value": [f"P{number}"]},
    }


@pytest.fixture
def opened(url: str, chromium: Any) -> Iterator[Any]:
    with page(chromium, "about:blank") as opened:
        yield opened
        opened.context.unroute_all(behavior="ignoreErrors")  # some are held for ever when a test fails


def test_a_row_that_is_not_here_yet_is_gone_to(url: str, opened: Any) -> None:
    Studies(opened)
    opened.goto(url)
    opened.wait_for_selector("#row-2")
    opened.keyboard.press("End")
    until(opened, f"{CHOSEN} === 'Odd, N249'")
    until(opened, f"{DETAILS} === 'Odd, N249'")
    opened.keyboard.press("Home")
    for _ in range(160):
        opened.keyboard.press("ArrowDown")
    until(opened, f"{CHOSEN} === 'Even, N160'")


def test_what_is_chosen_far_down_stays_while_the_list_is_renewed(url: str, opened: Any) -> None:
    studies = Studies(opened)
    opened.goto(url)
    opened.wait_for_selector("#row-2")
    opened.keyboard.press("End")
    until(opened, f"{DETAILS} === 'Odd, N249'")
    studies.slow = "offset=200"
    opened.keyboard.press("r")
    until(opened, lambda: studies.held)
    opened.wait_for_timeout(300)  # all else has been answered
    assert opened.evaluate(CHOSEN) == opened.evaluate(DETAILS) == "Odd, N249"
    opened.keyboard.press("ArrowUp")
    until(opened, f"{CHOSEN} === 'Even, N248'")
    studies.let_go()
    opened.wait_for_timeout(300)
    assert opened.evaluate(CHOSEN) == opened.evaluate(DETAILS) == "Even, N248"


def test_keys_are_for_the_list_that_was_asked_for(url: str, opened: Any) -> None:
    """Also those pressed before the search began, and before its answer."""
    studies = Studies(opened)
    opened.goto(url)
    opened.wait_for_selector("#row-2")
    studies.slow = "dicom-web"
    opened.keyboard.press("/")
    opened.keyboard.type("odd")
    opened.keyboard.press("ArrowDown")
    opened.keyboard.press("ArrowDown")
    opened.keyboard.press("ArrowDown")
    opened.keyboard.press("Enter")
    until(opened, "location.search.includes('q=odd')")
    until(opened, f"{CHOSEN} === '' && !{DETAILS}")
    opened.wait_for_timeout(300)
    assert "/view" not in opened.url
    assert opened.evaluate(CHOSEN) == "" and opened.evaluate(DETAILS) is None
    studies.let_go()
    until(opened, f"{CHOSEN} === 'Odd, N003'")
    until(opened, f"{DETAILS} === 'Odd, N003'")


def test_a_key_pressed_as_the_row_appears_goes_on_from_it(url: str, opened: Any) -> None:
    """Before the page is painted: on a slow machine that takes a while."""
    studies = Studies(opened)
    opened.goto(url)
    opened.wait_for_selector("#row-2")
    studies.slow = "dicom-web"
    opened.keyboard.press("r")
    opened.keyboard.press("/")
    opened.keyboard.type("odd")
    opened.keyboard.press("ArrowDown")
    until(opened, "location.search.includes('q=odd')")
    for _ in range(3):
        opened.keyboard.press("ArrowDown")
    opened.evaluate(
        """() => {
          const grid = document.querySelector("[role=grid]");
          const down = new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true, cancelable: true });
          new MutationObserver((_, watch) => {
            const name = document.querySelector("[aria-selected=true]")?.innerText;
            if (!name?.startsWith("Odd, N005")) return;
            watch.disconnect();
            grid.dispatchEvent(down);
          }).observe(grid, { subtree: true, childList: true, characterData: true });
        }"""
    )
    studies.let_go()
    until(opened, f"{DETAILS} === 'Odd, N007'")
    until(opened, f"{CHOSEN} === 'Odd, N007'")


def test_a_search_begun_on_another_page_goes_on_in_the_list(url: str, opened: Any) -> None:
    """The first letter leads there; none of the others is a key of the list."""
    Studies(opened)
    for address in ("uploads", "deletions"):
        opened.goto(f"{url}/{address}")
        opened.wait_for_selector("#search")
        opened.keyboard.press("/")
        opened.keyboard.type("odd")
        until(opened, "location.pathname === '/' && location.search === '?q=odd'")
        assert opened.input_value("#search") == "odd"
        opened.keyboard.press("ArrowDown")
        opened.keyboard.press("ArrowDown")
        until(opened, f"{CHOSEN} === 'Odd, N001'")


def test_a_list_that_loads_is_not_broken_off_by_what_happens_meanwhile(url: str, opened: Any) -> None:
    """Else a slow network would never bring it while images keep coming in."""
    studies = Studies(opened)
    studies.slow = "dicom-web"
    events: list[Any] = []

    def interrupted(route: Any) -> None:
        """Each time that the stream is back, something may have happened."""
        events.append(route.request)
        route.fulfill(status=200, headers={"Content-Type": "text/event-stream"}, body="retry: 400\n\n")

    opened.context.route("**/api/v1/events", interrupted)
    opened.goto(url)
    until(opened, lambda: len(events) > 7)
    assert len(studies.held) == 1
    studies.let_go()
    opened.wait_for_selector("#row-2")
    studies.slow = "dicom-web"
    until(opened, lambda: studies.held)  # then it is asked for anew
    studies.let_go()


def test_a_link_to_a_study_far_down_shows_it(url: str, opened: Any) -> None:
    Studies(opened)
    opened.goto(f"{url}/?study=2.25.231")
    until(opened, f"{DETAILS} === 'Even, N230'")


def test_another_order_begins_at_its_top(url: str, opened: Any) -> None:
    Studies(opened)
    opened.goto(url)
    opened.wait_for_selector("#row-2")
    opened.locator("[role=grid]").evaluate("(grid) => { grid.scrollTop = 3000; }")
    until(opened, "document.querySelector('#row-90')?.innerText.includes('N090')")
    opened.get_by_role("button", name="Patient", exact=True).click()
    until(opened, "document.querySelector('[role=grid]').scrollTop === 0")
