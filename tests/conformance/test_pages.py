"""The pages in a browser, by keyboard alone: what is on the screen is what was stored."""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.conformance import phantom
from tests.conformance.browser import PATIENCE, mean, module, needs_chromium, page, picture_drawn, until
from tests.conformance.server import Server

UI = Path(__file__).resolve().parents[2] / "worklist" / "ui"
SIDE, SLICES = 128, 9
MARKUP = "<img src=x onerror=document.title=1>"
DRAWN = 2.0  # gray levels that scaling to the screen may change a mean by

pytestmark = needs_chromium


@dataclass(frozen=True)
class Held:
    server: Server
    study: Dataset


def bring_in(server: Server, folder: Path, *data_sets: Dataset) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, ds in enumerate(data_sets):
        (folder / f"{number}.dcm").write_bytes(phantom.file_bytes(ds))
    server.quick_command("import", str(folder))


def reports(study: Dataset) -> list[Dataset]:
    """Two in one series."""
    first = phantom.report(study)
    second = copy.deepcopy(first)
    second.file_meta.MediaStorageSOPInstanceUID = second.SOPInstanceUID = generate_uid()
    second.InstanceNumber, second.ContentSequence[0].TextValue = 2, "Addendum: as before."
    return [first, second]


def mixed(study: Dataset) -> list[Dataset]:
    """Three images and a report in one series, and how the last of the images is to be seen."""
    images = list(phantom.ct(study, 3, 32, "Mixed", series=9))
    report = phantom.report(study)
    report.SeriesInstanceUID, report.SeriesDescription = images[0].SeriesInstanceUID, "Mixed"
    report.Modality, report.SeriesNumber, report.InstanceNumber = "CT", 9, 4
    report.ContentSequence[0].TextValue = "Beside the images."
    return [*images, report, phantom.presentation_state(study, images[-1])]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """A head with a follow-up, and somebody else, in an open archive."""
    folder = tmp_path_factory.mktemp("pages")
    server = Server(folder / "data", {"PACS_OPEN": "1"})
    server.start()
    petra = phantom.patient("Phantom^Petra", "LB-1", "19710412", "F")
    study = phantom.study(petra, "20261120", "CT Head", "A-1")
    before = phantom.study(petra, "20250301", "CT Head before", "A-0")
    other = phantom.study(phantom.patient("Other^<b>Otto</b>", "LB-2", "", "O"), "20261101", MARKUP, "B-1")
    bring_in(
        server,
        folder / "files",
        *phantom.ct(study, SLICES, SIDE),
        phantom.ultrasound(study, 5),
        phantom.inverted(study),
        phantom.marked(study),
        *reports(study),
        phantom.document(study),
        *mixed(study),
        *phantom.ct(before, 3, 64),
        *phantom.ct(other, 2, 32),
    )
    yield Held(server, study)
    server.stop()


def windowed(number: int, center: float, width: float) -> float:
    """Mean gray of a slice, counted from 0, under a linear window (PS3.3 §C.11.2.1.2)."""
    plane = phantom.head(SIDE, SLICES)[number].astype(float)
    levels = ((plane - (center - 0.5)) / (width - 1) + 0.5) * 255
    return float(np.clip(levels, 0, 255).mean())


def position(opened: Any) -> str:
    return str(opened.inner_text("[data-position]")).splitlines()[-1]


def until_drawn(opened: Any, expected: float) -> None:
    """The mean of the picture is what it shall be."""
    end = time.monotonic() + PATIENCE
    while mean(opened) != pytest.approx(expected, abs=DRAWN):
        assert time.monotonic() < end, f"{mean(opened)} is drawn, not {expected}"
        opened.wait_for_timeout(20)


def open_series(held: Held, chromium: Any, description: str) -> Any:
    series = httpx.get(
        f"{held.server.url}/dicom-web/studies/{held.study.StudyInstanceUID}/series",
        params={"SeriesDescription": description},
    ).json()[0]["0020000E"]["Value"][0]
    url = f"{held.server.url}/view?StudyInstanceUIDs={held.study.StudyInstanceUID}&SeriesInstanceUID={series}"
    return page(chromium, url)


def test_from_the_list_to_the_image_by_keyboard_alone(held: Held, chromium: Any) -> None:
    with page(chromium, held.server.url) as opened:
        opened.wait_for_selector("#row-2")
        opened.keyboard.press("/")
        opened.keyboard.type("phantom")
        until(opened, "document.querySelectorAll('[role=row][id]').length === 2")
        assert "q=phantom" in opened.url
        opened.keyboard.press("ArrowDown")
        opened.keyboard.press("ArrowDown")
        opened.keyboard.press("Enter")
        picture_drawn(opened)
        assert "Phantom, Petra" in opened.inner_text(".patient")
        until_drawn(opened, windowed(SLICES // 2, 40, 120))
        assert position(opened) == "5 / 9"

        opened.keyboard.press("ArrowDown")
        until(opened, "document.querySelector('[data-position]').innerText.endsWith('6 / 9')")
        until_drawn(opened, windowed(5, 40, 120))

        opened.keyboard.press("4")
        until(opened, "document.querySelector('.corner.bl').innerText.includes('W 2,500 · L 500')")
        until_drawn(opened, windowed(5, 500, 2500))

        opened.keyboard.press("i")
        until_drawn(opened, 255 - windowed(5, 500, 2500))

        opened.keyboard.press("t")
        opened.wait_for_selector("dialog >> text=Patient's Name")
        assert "0010,0020\tLO\tPatient ID\tLB-1" in opened.inner_text("dialog[open]")
        opened.keyboard.press("Escape")
        opened.wait_for_selector("dialog", state="detached")
        opened.keyboard.press("Control+k")
        opened.keyboard.type("cine")
        opened.wait_for_selector("[role=option] >> text=Cine")
        opened.keyboard.press("Enter")
        until(opened, "document.querySelector('.corner.tl').innerText.includes('Cine')")
        opened.keyboard.press("Escape")
        opened.wait_for_selector("#row-1")
        assert "q=phantom" in opened.url


def test_who_waits_for_a_study_may_leave_or_open_another(held: Held, chromium: Any) -> None:
    with page(chromium, held.server.url) as opened:
        opened.wait_for_selector("#row-2")
        opened.route(f"**/studies/{held.study.StudyInstanceUID}/series?**", lambda _: None)  # never answered
        opened.keyboard.press("ArrowDown")
        opened.keyboard.press("Enter")
        opened.wait_for_selector(".skeleton")
        opened.keyboard.press("?")
        opened.wait_for_selector("dialog .keys")
        opened.keyboard.press("Escape")
        opened.wait_for_selector("dialog", state="detached")
        opened.keyboard.press("Control+k")
        opened.keyboard.type("phantom")
        opened.locator("[role=option]", has_text="Phantom, Petra").first.wait_for()
        opened.keyboard.press("Escape")
        opened.wait_for_selector("dialog", state="detached")
        opened.keyboard.press("Escape")
        opened.wait_for_selector("#row-2")


def test_the_commands_say_what_their_search_does(held: Held, chromium: Any) -> None:
    """Searching is not having found nothing, nor is failing; and Enter opens nothing that is not shown."""
    questions: list[Any] = []
    context = chromium.new_context(locale="en-GB")  # not `page`: the browser logs what fails
    context.set_default_timeout(PATIENCE * 1000)
    try:
        opened = context.new_page()
        opened.goto(held.server.url)
        opened.wait_for_selector("#row-2")
        opened.route("**/dicom-web/studies?*", lambda route: questions.append(route))
        opened.keyboard.press("Control+k")
        opened.keyboard.type("phantom")
        said = opened.locator("dialog [role=status]")
        said.filter(has_text="Loading").wait_for()
        opened.keyboard.press("Enter")
        until(opened, lambda: questions)
        assert said.inner_text() == "Loading"
        questions.pop().fulfill(status=204)  # each reading of the words is asked for in turn
        until(opened, lambda: questions)
        questions.pop().fulfill(status=503, json={"message": "Busy"})
        opened.locator("dialog [role=alert]").wait_for()
        assert said.inner_text() == ""
        opened.unroute("**/dicom-web/studies?*")
        opened.keyboard.type(" nobody")
        said.filter(has_text="No study matches").wait_for()
        assert opened.locator("dialog [role=alert]").count() == 0
    finally:
        context.close()


def test_the_focus_returns_from_dialogs(held: Held, chromium: Any) -> None:
    """However they are closed, and from one that another has opened."""
    focused = "document.activeElement.className === 'pane' && !document.querySelector('dialog')"
    with open_series(held, chromium, "Cine") as opened:
        for keys in (
            ("?", "Escape"),
            ("?", "Enter"),  # on what closes it
            ("Ctrl+k", "Length", "Enter"),
            ("Ctrl+k", "Keys", "Enter", "dialog .body", "Enter"),
        ):
            opened.locator(".pane").focus()
            for key in keys:
                if key[0] in "LK":
                    opened.keyboard.type(key)
                elif key.startswith("dialog"):
                    opened.wait_for_selector("dialog .keys")
                else:
                    opened.keyboard.press(key.replace("Ctrl", "Control"))
                opened.wait_for_timeout(200)
            until(opened, focused)


def test_an_address_without_a_page_says_so_and_leads_back(held: Held, chromium: Any) -> None:
    context = chromium.new_context(locale="de-DE")  # not `page`: the browser logs the 404
    context.set_default_timeout(PATIENCE * 1000)
    try:
        opened = context.new_page()
        assert opened.goto(f"{held.server.url}/nowhere/1").status == 404
        opened.get_by_role("heading", name="Hier ist keine Seite").wait_for()
        opened.get_by_role("button", name="Zurück zu den Studien").click()
        opened.wait_for_selector("#row-2")
    finally:
        context.close()


def test_no_letter_is_lost_while_the_address_changes(held: Held, chromium: Any) -> None:
    """What is typed at the very moment at which the letters before it are written into the address."""
    with page(chromium, held.server.url) as opened:
        opened.wait_for_selector("#row-2")
        seen = opened.evaluate(
            """async () => {
              const input = document.querySelector(".top input");
              const type = (text) => {
                input.value = text;
                input.dispatchEvent(new Event("input", { bubbles: true }));
              };
              const written = history.replaceState.bind(history);
              const seen = [];
              const next = new Promise((resolve) => {
                history.replaceState = (...state) => {
                  written(...state);
                  if (location.search.includes("q=phantom")) resolve();
                  else type("phantom");
                };
              });
              type("pha ");
              await Promise.all([next, (async () => {
                while (!location.search.includes("q=phantom")) {
                  seen.push(input.value);
                  await new Promise((resolve) => setTimeout(resolve, 5));
                }
              })()]);
              return seen;
            }"""
        )
        assert set(seen) <= {"pha ", "phantom"}


def test_what_is_known_stays_when_it_cannot_be_asked_anew(held: Held, chromium: Any) -> None:
    with page(chromium, held.server.url) as opened:
        opened.wait_for_selector("#row-2")
        answer = {"code": "UNAVAILABLE", "message": "The disk is full.", "correlation_id": "abc"}
        # not as a route: the browser would log the failure
        opened.evaluate(
            """(answer) => {
              const fetched = window.fetch;
              window.fetch = (url, ...rest) => String(url).includes("/studies?")
                ? Promise.resolve(new Response(JSON.stringify(answer), { status: 503 }))
                : fetched(url, ...rest);
              window.mend = () => void (window.fetch = fetched); // a function would be called
            }""",
            answer,
        )
        opened.keyboard.press("r")
        opened.get_by_text("The disk is full.").wait_for()
        assert opened.query_selector("#row-2") is not None
        opened.evaluate("mend()")
        opened.keyboard.press("r")
        opened.get_by_text("The disk is full.").wait_for(state="detached")


def test_colour_and_cine(held: Held, chromium: Any) -> None:
    with open_series(held, chromium, "Cine") as opened:
        picture_drawn(opened)
        share = np.count_nonzero(phantom.ultrasound(held.study, 5).pixel_array[0, ..., 0] == 200) / 128**2
        until_drawn(opened, 200 * share + 20 * (1 - share))
        opened.keyboard.press("c")
        until(opened, "document.querySelector('[data-position]').innerText !== '1 / 5'")


def test_a_film_plays_on_after_a_frame_that_cannot_be_shown(held: Held, chromium: Any) -> None:
    with open_series(held, chromium, "Cine") as opened:
        opened.context.route("**/frames/3", lambda route: route.fulfill(body="short"))
        opened.reload()
        picture_drawn(opened)
        opened.keyboard.press("c")
        until(opened, "document.querySelector('[data-position]').innerText === '3 / 5'")
        until(opened, "document.querySelector('[data-position]').innerText === '5 / 5'")
        opened.keyboard.press("c")
        for key in ("Home", "ArrowDown", "ArrowDown"):
            opened.keyboard.press(key)
        opened.get_by_text("This image cannot be shown here.").wait_for()


def test_each_pane_plays(held: Held, chromium: Any) -> None:
    with open_series(held, chromium, "Cine") as opened:
        picture_drawn(opened)
        for key in "cgn":
            opened.keyboard.press(key)
        opened.click(".strip button:has-text('Cine')")
        opened.wait_for_selector(".pane[data-active=true] >> text='1 / 5'")
        opened.keyboard.press("c")
        until(opened, "document.querySelector('[data-active=true] [data-position]').innerText !== '1 / 5'")


def test_monochrome1_is_white_where_it_is_least(held: Held, chromium: Any) -> None:
    with open_series(held, chromium, "Ramp") as opened:
        picture_drawn(opened)
        left, right = opened.evaluate(
            """() => {
              const canvas = document.querySelector('.pane canvas');
              const side = Math.min(canvas.width, canvas.height), from = (canvas.width - side) / 2;
              const red = (x) => canvas.getContext('2d').getImageData(x, canvas.height / 2, 1, 1).data[0];
              return [red(from + 2), red(from + side - 3)];
            }"""
        )
        assert left > 250 > 5 > right


def test_tags_rise_and_have_names(held: Held, chromium: Any) -> None:
    """6000,0010 could be a number, which a browser puts before all that begins with 0."""
    with open_series(held, chromium, "Marked") as opened:
        picture_drawn(opened)
        opened.keyboard.press("t")
        opened.wait_for_selector("dialog >> text=Overlay Rows")
        tags = opened.locator(".tags td:first-child").all_inner_texts()
    assert tags == sorted(tags) and len(tags) > 20


def test_words_typed_while_the_tags_load_are_looked_for(held: Held, chromium: Any) -> None:
    with open_series(held, chromium, "Marked") as opened:
        picture_drawn(opened)
        late: list[Any] = []
        opened.route("**/instances/*/metadata", lambda route: late.append(route))
        opened.keyboard.press("t")
        opened.keyboard.type("overlay ro")
        until(opened, lambda: late)
        late.pop().continue_()
        opened.wait_for_selector("dialog >> text=Overlay Rows")
        assert opened.locator(".tags tr").count() == 1
        opened.keyboard.type("ws")
        assert opened.input_value("dialog input") == "overlay rows"


def test_overlays_in_unused_bits_are_drawn(held: Held, chromium: Any) -> None:
    with open_series(held, chromium, "Marked") as opened:
        picture_drawn(opened)
        until_drawn(opened, 127.5)


def test_reports_and_documents_are_shown_as_what_they_are(held: Held, chromium: Any) -> None:
    with open_series(held, chromium, "Report") as opened:
        opened.wait_for_selector(".document li")
        assert "<b>This is text</b>, never markup." in opened.inner_text(".document")
        assert position(opened) == "1 / 2"
        opened.keyboard.press("ArrowDown")
        opened.get_by_text("Addendum: as before.").wait_for()
        assert position(opened) == "2 / 2"
    with open_series(held, chromium, "Letter") as opened:
        opened.wait_for_selector(".document iframe[src^='blob:']")


def test_what_is_beside_the_images_of_a_series_is_listed(held: Held, chromium: Any) -> None:
    with open_series(held, chromium, "Mixed") as opened:
        picture_drawn(opened)
        assert position(opened) == "2 / 3"
        opened.keyboard.press("End")
        until(opened, "document.querySelector('[data-position]').innerText.endsWith('3 / 3')")
        opened.get_by_role("button", name="Other objects").wait_for()
        opened.keyboard.press("ArrowRight")
        opened.get_by_text("Beside the images.").wait_for()
        opened.keyboard.press("ArrowLeft")
        until(opened, "document.querySelector('[data-position]')?.innerText.endsWith('2 / 3')")


def test_no_step_is_lost_while_series_are_on_their_way(held: Held, chromium: Any) -> None:
    """Each goes on from the one before, not from what is still shown; and a layout keeps what was chosen."""
    with open_series(held, chromium, "Cine") as opened:
        picture_drawn(opened)
        late: list[Any] = []
        opened.context.route("**/series/*/metadata", lambda route: late.append(route))
        opened.keyboard.press("ArrowRight")
        opened.keyboard.press("ArrowRight")
        opened.keyboard.press("ArrowRight")
        opened.keyboard.press("ArrowLeft")
        opened.keyboard.press("g")
        opened.keyboard.press("n")
        opened.locator(".strip button", has_text="Report").click()
        opened.keyboard.press("g")
        opened.keyboard.press("g")
        until(opened, lambda: len(late) >= 5)
        for route in late:
            route.continue_()
        until(opened, "document.querySelectorAll('.pane')[1].innerText.includes('This is text')")
        names = opened.locator(".strip .caption > :first-child").all_inner_texts()
        opened.locator(".pane").first.get_by_text(names[names.index("Cine") + 2]).first.wait_for()


def test_a_presentation_state_says_what_it_is_of(held: Held, chromium: Any) -> None:
    with open_series(held, chromium, "Marks") as opened:
        opened.get_by_role("heading", name="Marks of the reader").wait_for()
        said = opened.inner_text(".document")
        for words in ("20 Nov 2026 · 10:15", "W 60 · L 30", "look <b>here</b>", "first of them"):
            assert words in said
        until(opened, "document.querySelector('.document > img')?.naturalWidth === 1024")
        opened.get_by_role("button", name="Mixed").and_(opened.locator(".document button")).click()
        until(opened, "document.querySelectorAll('.pane').length === 2")
        until(opened, "document.querySelectorAll('.pane')[1].innerText.includes('3 / 3')")


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_dates_of_a_study_are_those_recorded_wherever_the_reader_is(
    held: Held, chromium: Any, zone: str
) -> None:
    with page(chromium, f"{held.server.url}/?q=LB-1", timezone_id=zone) as opened:
        opened.get_by_role("gridcell", name="20 Nov 2026 09:15").wait_for()
        said = module(
            opened,
            "core/format.js",
            "[m.moment('20001206120000.00+0100'), m.moment('2000'), m.day('20241301'), m.age('19800101', ''),"
            " m.when('2026-06-30T23:30:00Z'), m.exactly('2026-06-30T23:30:00Z')]",
        )
    there = {"Pacific/Auckland": "1 Jul 2026, 11:30", "America/Los_Angeles": "30 Jun 2026, 16:30"}
    assert said[:5] == ["6 Dec 2000 12:00 UTC+01:00", "2000", "20241301", "", there[zone]]
    assert said[5].endswith(f"({zone})")


def test_priors_stand_beside(held: Held, chromium: Any) -> None:
    with page(
        chromium, f"{held.server.url}/viewer?StudyInstanceUIDs={held.study.StudyInstanceUID}"
    ) as opened:
        picture_drawn(opened)
        opened.click(".strip h2 ~ button")
        until(opened, "document.querySelectorAll('.pane').length === 2")
        until(opened, "document.querySelectorAll('.pane')[1].innerText.includes('CT Head before')")


def test_what_was_sent_is_never_markup(held: Held, chromium: Any) -> None:
    with page(chromium, f"{held.server.url}/?q=LB-2") as opened:
        opened.wait_for_selector("#row-0")
        opened.focus("[role=grid]")
        opened.keyboard.press("ArrowDown")
        opened.wait_for_selector("aside .details")
        assert MARKUP in opened.inner_text("aside") and "Other, <b>Otto</b>" in opened.inner_text("aside")
        assert opened.query_selector("#app img[src=x]") is None
        assert opened.title() != "1"


def test_a_study_that_is_not_there(held: Held, chromium: Any) -> None:
    with page(chromium, f"{held.server.url}/view?StudyInstanceUIDs=1.2.3.4") as opened:
        opened.wait_for_selector("text=There is no such study here")


def test_a_new_archive_says_what_to_do_and_lights_up(tmp_path: Path, chromium: Any) -> None:
    server = Server(tmp_path / "data", {"PACS_OPEN": "1"})
    server.start()
    with page(chromium, server.url) as opened:
        opened.wait_for_selector("text=storescu -aec PACS")
        opened.wait_for_selector(".state.live")
        study = phantom.study(phantom.patient("First^Image", "1", "", ""), "20261121", "", "")
        bring_in(server, tmp_path / "files", *phantom.ct(study, 1, 32))
        opened.wait_for_selector("text=First, Image")
    server.stop()


def test_signing_in(tmp_path: Path, chromium: Any) -> None:
    server = Server(tmp_path / "data")
    server.start()
    said = server.quick_command("user", "add", "rita@example.org", "--role", "radiologist")
    password = said.split()[-1]
    with page(chromium, f"{server.url}/?q=anything") as opened:
        opened.wait_for_selector("input[type=email]")
        opened.keyboard.type("rita@example.org")
        opened.keyboard.press("Tab")
        opened.keyboard.type("not the password")
        opened.keyboard.press("Enter")
        opened.wait_for_selector("text=Correlation ID")
        opened.fill("input[type=password]", password)
        opened.keyboard.press("Enter")
        opened.wait_for_selector("text=Choose your own")
        opened.keyboard.type("a sentence of my own")  # the field has the focus
        opened.keyboard.press("Enter")
        opened.wait_for_selector("text=No study matches")
        assert opened.url.endswith("/?q=anything")
        opened.reload()
        opened.wait_for_selector("text=rita@example.org")
        opened.wait_for_selector(".state.live")
        asked: list[Any] = []
        opened.route("**/dicom-web/studies?*", lambda route: asked.append(route))
        opened.keyboard.press("r")
        until(opened, lambda: asked)

        def overtaken(signing_out: Any) -> None:
            """What was asked before reaches the server behind the end of the session."""
            answer = signing_out.fetch()
            for route in asked:
                route.continue_()
            opened.wait_for_timeout(1000)
            signing_out.fulfill(response=answer)

        opened.route("**/auth/logout", overtaken)
        opened.click("button[aria-label='Sign out']")
        opened.wait_for_selector("input[type=email]")
        opened.wait_for_timeout(2000)
    server.stop()


VIEWED = ".pane canvas[data-image]:not([data-image=''])"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/", "#row-0"),
        ("/view?StudyInstanceUIDs={study}", VIEWED),
        ("/view?StudyInstanceUIDs=1.2.3.4", "text=There is no such study here"),
    ],
)
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing(held: Held, chromium: Any, path: str, shown: str, width: int) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python"
    )
    url = held.server.url + path.format(study=held.study.StudyInstanceUID)
    with page(chromium, url, bypass_csp=True, viewport={"width": width, "height": 844}) as opened:
        opened.wait_for_selector(shown)
        for theme in ("dark", "light", "contrast"):
            opened.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
            violations = axe.Axe().run(opened).response["violations"]
            assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in violations] == []


def test_what_the_pages_are_made_of(held: Held) -> None:
    with httpx.Client(base_url=held.server.url) as client:
        document = client.get("/")
        policy = document.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert document.headers["Cache-Control"] == "no-cache"
        assert client.get("/", headers={"If-None-Match": document.headers["ETag"]}).status_code == 304
        made_of = re.findall(r'(?:href|src)="(/assets/[^"]+)"', document.text)
        assert len(made_of) > 20
        for path in made_of:
            answer = client.get(path)
            assert answer.status_code == 200, path
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Content-Encoding"] == "gzip"
        digest = made_of[0].split("/")[2]
        for path in (made_of[0].replace(digest, "0" * 16), f"/assets/{digest}/..%2f..%2fapp.py"):
            assert client.get(path).status_code == 404


KEY = re.compile(r'^  "([^"]+)": "(.*)",$', re.M)


def catalogue(language: str) -> dict[str, str]:
    return dict(KEY.findall((UI / "strings" / f"{language}.js").read_text("utf-8")))


@pytest.mark.parametrize("language", ["de", "fr", "es"])
def test_languages_say_what_english_says(language: str) -> None:
    english, other = catalogue("en"), catalogue(language)
    assert other.keys() == english.keys()
    for key, text in other.items():
        assert text.strip(), key
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", english[key])), key


def test_every_word_used_is_in_the_catalogue() -> None:
    scripts = [path.read_text("utf-8") for path in UI.rglob("*.js") if "vendor" not in path.parts]
    used = {key for script in scripts for key in re.findall(r'\bt\("([a-z][\w.]*)"', script, re.IGNORECASE)}
    assert used - catalogue("en").keys() == set()
    assert len(used) > 100


@pytest.mark.parametrize(("fault", "code"), [("AbortError", "ABORTED"), ("TypeError", "NETWORK")])
def test_an_answer_that_breaks_off_is_a_problem_like_any_other(
    held: Held, chromium: Any, fault: str, code: str
) -> None:
    """Not before it begins, but between its head and its end."""
    asked = """
    (async (fault) => {
      const fetched = window.fetch;
      const error = Object.assign(new Error(), { name: fault });
      window.fetch = async () => ({ ok: true, json: () => Promise.reject(error) });
      const problem = await m.json("/").catch((error) => error);
      window.fetch = fetched;
      return problem.code;
    })"""
    with page(chromium, held.server.url) as opened:
        assert module(opened, "core/api.js", f"{asked}('{fault}')") == code


def test_the_language_chosen_last_is_spoken(held: Held, chromium: Any) -> None:
    """However late another one's texts come; and English where they cannot be had."""
    context = chromium.new_context(locale="fr-FR")  # not `page`: the browser logs what fails
    context.set_default_timeout(PATIENCE * 1000)
    try:
        context.route("**/strings/fr.js", lambda route: route.abort())
        opened = context.new_page()
        opened.goto(held.server.url)
        opened.get_by_role("button", name="Display").click()
        late: list[Any] = []
        context.route("**/strings/de.js", lambda route: late.append(route))
        opened.get_by_label("Language").select_option("de")
        until(opened, lambda: late)
        opened.get_by_label("Language").select_option("es")
        until(opened, "document.documentElement.lang === 'es'")
        with opened.expect_response("**/strings/de.js"):
            late.pop().continue_()
        opened.wait_for_timeout(300)
        assert opened.evaluate("document.documentElement.lang") == "es"
    finally:
        context.close()


def test_two_fingers_zoom_and_measure_nothing(held: Held, chromium: Any) -> None:
    """What lies between them stays there."""
    study = f"{held.server.url}/view?StudyInstanceUIDs={held.study.StudyInstanceUID}"
    with page(chromium, study, has_touch=True) as opened:
        picture_drawn(opened)
        opened.keyboard.press("l")
        box = opened.query_selector(".pane canvas").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        touch = opened.context.new_cdp_session(opened)

        def fingers(kind: str, *places: tuple[float, float]) -> None:
            points = [{"x": left, "y": top, "id": number} for number, (left, top) in enumerate(places)]
            touch.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})

        fingers("Start", (x - 50, y))
        fingers("Move", (x - 60, y))
        fingers("Start", (x - 60, y), (x + 60, y))
        for apart in (80, 100, 120):
            fingers("Move", (x - apart, y), (x + apart, y))
        fingers("End")
        until(opened, "document.querySelector('.corner.bl').innerText.includes('200%')")
        opened.wait_for_timeout(100)
        assert opened.evaluate(YELLOW) == 0


YELLOW = """() => {
  const canvas = document.querySelector('.pane canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let at = 0; at < data.length; at += 4) found += data[at] - data[at + 2] > 60;
  return found;
}"""
"""Pixels of the colour that measurements are drawn in."""
