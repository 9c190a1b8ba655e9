"""Presentation states of a started server: real ones, another organisation's, and hostile ones."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from tests.conformance import phantom
from tests.conformance.browser import needs_chromium, page, until
from tests.conformance.server import Server
from tests.conformance.test_rendered import path_to, pixels, store
from tests.corpus import SHARED_DATA, needs_corpus
from tests.dicomweb.retrieving import image
from tests.pacs.pixels.images import item
from tests.pacs.pixels.states import area, file_of, graphic, marked, state
from tests.programs import needs

REAL = {"prLUTs.dcm": "imageForPrLUTs.dcm", "prOverlay.dcm": "overlay.dcm"}


@pytest.fixture(scope="module")
def web(server: Server) -> Iterator[httpx.Client]:
    with server.web() as client:
        yield client


def by_uri(shown: Dataset, made: Dataset) -> str:
    """What WADO-URI shows of an image in the look of a state."""
    wanted = {
        "requestType": "WADO",
        "studyUID": shown.StudyInstanceUID,
        "seriesUID": shown.SeriesInstanceUID,
        "objectUID": shown.SOPInstanceUID,
        "presentationSeriesUID": made.SeriesInstanceUID,
        "presentationUID": made.SOPInstanceUID,
        "contentType": "image/png",
    }
    return f"/wado?{httpx.QueryParams(wanted)}"


@needs_corpus
@needs("dcmp2pgm")
@pytest.mark.parametrize("name", REAL)
def test_real_states_are_shown_as_dcmtk_shows_them(web: httpx.Client, name: str, tmp_path: Path) -> None:
    made, shown = (SHARED_DATA / "pr-lut" / each for each in (name, REAL[name]))
    store(web, shown.read_bytes())
    path = store(web, made.read_bytes())
    ours = pixels(web.get(f"{path}/rendered", headers={"Accept": "image/png"}))
    uri = by_uri(dcmread(shown, stop_before_pixels=True), dcmread(made, stop_before_pixels=True))
    assert (pixels(web.get(uri)) == ours).all()
    subprocess.run(["dcmp2pgm", "-q", "-p", made, shown, tmp_path / "shown"], check=True, timeout=120)
    theirs = np.asarray(Image.open(tmp_path / "shown"))
    assert ours.shape == theirs.shape
    assert set(ours[ours != theirs].tolist()) <= {255}, "the overlays, which DCMTK does not show"


PLAIN = dcmread(BytesIO(image(1, StudyInstanceUID="1.2.3.81", SeriesInstanceUID="1.2.3.81.1")))


def of_plain(number: int, **attributes: object) -> Dataset:
    uids = {"SeriesInstanceUID": "1.2.3.81.2", "SOPInstanceUID": f"1.2.3.81.2.{number}"}
    return state(PLAIN, **{**uids, **attributes})


def test_the_state_of_another_organisation_is_not_there(server: Server, web: httpx.Client) -> None:
    theirs = of_plain(1, PresentationLUTShape="INVERSE")
    with server.web("admin", "softcopy") as foreign:
        for each in (PLAIN, theirs):
            store(foreign, file_of(each))
        assert pixels(foreign.get(by_uri(PLAIN, theirs)))[0, 0] == 255
    store(web, file_of(PLAIN))
    assert web.get(by_uri(PLAIN, theirs)).status_code == 404
    assert web.get(f"{path_to(theirs)}/rendered").status_code == 404


@pytest.mark.parametrize(
    "hostile",
    [
        {"GraphicAnnotationSequence": [marked(graphic("POLYLINE", *[5.0] * 2_000_000))]},
        {"GraphicAnnotationSequence": [marked(*[graphic("POINT", 1.0, 1.0)] * 6_000)]},
        {"GraphicAnnotationSequence": [marked(graphic("POLYLINE", float("nan"), 1.0, 2.0, 2.0))]},
        {"DisplayedAreaSelectionSequence": [area(-(2**31), -(2**31), 2**31 - 1, 2**31 - 1)]},
        {"ReferencedSeriesSequence": [item(SeriesInstanceUID="1.2.3.81.1")]},
        {"PresentationLUTSequence": [item(LUTDescriptor=[0, 0, 16], LUTData=b"")]},
    ],
    ids=["points", "marks", "nan", "area", "of nothing", "table"],
)
@pytest.mark.filterwarnings("ignore")
def test_a_hostile_state_is_refused_with_a_reason(web: httpx.Client, hostile: dict[str, object]) -> None:
    store(web, file_of(PLAIN))
    path = store(web, file_of(of_plain(0, **hostile, SOPInstanceUID=generate_uid())))
    answer = web.get(f"{path}/rendered")
    assert answer.status_code == 406, answer.text
    assert len(answer.json()["message"]) > 20
    assert web.get(f"{path_to(PLAIN)}/rendered").status_code == 200


@needs_chromium
def test_in_the_viewer_it_has_the_picture_of_its_image(open_archive: Server, chromium: Any) -> None:
    study = phantom.study(phantom.patient("States^Sue", "PR-1", "19800101", "F"), "20261120", "CT", "PR-1")
    images = list(phantom.ct(study, 3, 32, "Slices"))
    open_archive.bring_in(*images, phantom.presentation_state(study, images[-1]))
    marks = "[...document.querySelectorAll('.strip button')].find((each) => each.innerText.includes('Marks'))"
    with page(chromium, f"{open_archive.url}/view?StudyInstanceUIDs={study.StudyInstanceUID}") as opened:
        until(opened, f"{marks}?.querySelector('img')?.naturalWidth === 200")
