"""Presentation states over the whole application: by WADO-URI, and as resources of their own."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from starlette.testclient import TestClient

from dicomweb import rendered_parts
from tests.dicomweb.retrieving import image, parts
from tests.pacs.http.composed import composed
from tests.pacs.pixels.images import item
from tests.pacs.pixels.states import file_of, graphic, marked, referring, state, window

STUDY = "/dicom-web/studies/1.2.3.1"
SERIES, STATES = f"{STUDY}/series/1.2.3.1.1", f"{STUDY}/series/1.2.3.1.7"
WADO = "/wado?requestType=WADO&studyUID=1.2.3.1&seriesUID=1.2.3.1.1&objectUID=1.2.3.1.1."
PNG = "image/png"
FRAMES = [bytes([number] * 24) for number in (10, 20, 30)]
PLAIN, MANY = dcmread(BytesIO(image(1))), dcmread(BytesIO(image(2, frames=FRAMES)))


def of(number: int, *frames: int, shown: Dataset = PLAIN, **attributes: Any) -> bytes:
    uids = {"SOPInstanceUID": f"1.2.3.1.7.{number}", "SeriesInstanceUID": "1.2.3.1.7", "PatientID": "P1"}
    return file_of(state(shown, *frames, **{**uids, **attributes}))


def elsewhere(uid: str) -> list[Dataset]:
    gone = item(SeriesInstanceUID="1.2.3.1.1")
    gone.ReferencedImageSequence = [item(ReferencedSOPInstanceUID=uid)]
    return [gone]


def of_both() -> list[Dataset]:
    series = item(SeriesInstanceUID="1.2.3.1.1")
    series.ReferencedImageSequence = [
        referring(PLAIN),
        referring(MANY, 2, 3),
        item(ReferencedSOPInstanceUID="1.2.3.1.1.9"),
    ]
    return [series]


INVERSE, TURNED, THIRD, GONE, BLENDING, NOTHING, BOTH, HOSTILE = range(1, 9)
OBJECTS = [
    image(1),
    image(2, frames=FRAMES),
    of(INVERSE, PresentationLUTShape="INVERSE"),
    of(TURNED, ImageRotation=90, SoftcopyVOILUTSequence=[window(12, 24)]),
    of(THIRD, 3, 2, shown=MANY, PresentationLUTShape="INVERSE"),
    of(GONE, ReferencedSeriesSequence=elsewhere("1.2.3.1.1.9")),
    of(BLENDING, SOPClassUID="1.2.840.10008.5.1.4.1.1.11.4"),
    of(NOTHING, ReferencedSeriesSequence=[]),
    of(BOTH, ReferencedSeriesSequence=of_both(), PresentationLUTShape="INVERSE"),
    of(HOSTILE, GraphicAnnotationSequence=[marked(graphic("POLYLINE", 1.0, float("nan"), 2.0, 2.0))]),
]


def store(client: TestClient, *objects: bytes) -> None:
    for data in objects:
        answer = client.post(
            "/dicom-web/studies", content=data, headers={"Content-Type": "application/dicom"}
        )
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with composed(tmp_path_factory.mktemp("data")) as client:
        store(client, *OBJECTS)
        yield client


def get(client: TestClient, path: str, accept: str = PNG) -> httpx.Response:
    found: httpx.Response = client.get(path, headers={"Accept": accept})
    return found


def grey(answer: httpx.Response) -> list[list[int]]:
    assert answer.status_code == 200, answer.text
    found: list[list[int]] = np.asarray(Image.open(BytesIO(answer.content))).tolist()
    return found


def rendered(number: int) -> str:
    return f"{STATES}/instances/1.2.3.1.7.{number}/rendered"


def with_state(number: int, of: int = 1) -> str:
    return f"{WADO}{of}&presentationSeriesUID=1.2.3.1.7&presentationUID=1.2.3.1.7.{number}"


STORED = np.arange(24).reshape(4, 6)


@pytest.mark.parametrize("path", [with_state(INVERSE), rendered(INVERSE)])
def test_a_state_shows_its_image(client: TestClient, path: str) -> None:
    assert grey(get(client, path)) == (255 - STORED).tolist()
    assert grey(get(client, f"{WADO}1&contentType=image/png")) != (255 - STORED).tolist()


def test_turned_and_in_a_window(client: TestClient) -> None:
    shown = np.floor(STORED / 23 * 255 + 0.5)
    assert grey(get(client, with_state(TURNED))) == np.rot90(shown, -1).astype(int).tolist()
    small = Image.open(BytesIO(get(client, f"{with_state(TURNED)}&rows=3&columns=3").content))
    assert small.size == (2, 3)
    assert Image.open(BytesIO(get(client, f"{rendered(TURNED)}?viewport=3,3").content)).size == (2, 3)


def test_the_frames_that_a_state_is_of(client: TestClient) -> None:
    frames = f"{STATES}/instances/1.2.3.1.7.{THIRD}/frames"
    assert grey(get(client, rendered(THIRD)))[0][0] == 225, "the first that it names"
    assert grey(get(client, f"{frames}/2/rendered"))[0][0] == 235
    assert grey(get(client, with_state(THIRD, of=2)))[0][0] == 225
    assert grey(get(client, f"{with_state(THIRD, of=2)}&frameNumber=2"))[0][0] == 235
    assert get(client, f"{frames}/1/rendered").status_code == 406
    assert get(client, f"{frames}/4/rendered").status_code in (404, 406)
    assert get(client, f"{with_state(THIRD, of=2)}&frameNumber=1").status_code == 400


def test_states_among_other_instances_are_shown_by_their_first_image(client: TestClient) -> None:
    series = get(client, f"{STATES}/rendered?window=1,2", 'multipart/related; type="image/png"')
    assert series.status_code == 206
    assert "3 of 7 pictures" in series.headers["warning"], "two without an image here, one hostile"
    shown = [np.asarray(Image.open(BytesIO(body)))[0, 0] for _, body in parts(series)]
    assert sorted(shown) == [200, 225, 255, 255]


def test_all_images_of_a_state_in_parts(client: TestClient) -> None:
    answer = get(client, rendered(BOTH), 'multipart/related; type="image/png"')
    assert answer.status_code == 206
    assert "1 of 4 pictures" in answer.headers["warning"]
    shown = [np.asarray(Image.open(BytesIO(body)))[0, 0] for _, body in parts(answer)]
    assert shown == [255, 235, 225]
    assert grey(get(client, rendered(BOTH)))[0][0] == 255


def thumbnail(number: int) -> str:
    return f"{STATES}/instances/1.2.3.1.7.{number}/thumbnail"


def test_the_thumbnail_of_a_state_is_of_the_image_that_it_refers_to(client: TestClient) -> None:
    small = np.asarray(grey(get(client, thumbnail(INVERSE))))
    assert max(small.shape) == 200 and (small[0, 0], small[-1, -1]) == (255, 232)
    assert grey(get(client, thumbnail(THIRD)))[0][0] == 225, "the first that it names"
    assert grey(get(client, f"{STATES}/instances/1.2.3.1.7.{THIRD}/frames/2/thumbnail"))[0][0] == 235
    assert get(client, f"{STATES}/instances/1.2.3.1.7.{THIRD}/frames/1/thumbnail").status_code == 406


def test_a_series_of_states_has_a_thumbnail_too_but_an_image_is_preferred(client: TestClient) -> None:
    assert grey(get(client, f"{STATES}/thumbnail"))
    study = "/dicom-web/studies/1.2.3.6"
    plain = image(60, StudyInstanceUID="1.2.3.6", SeriesInstanceUID="1.2.3.6.1")
    uids = {"StudyInstanceUID": "1.2.3.6", "SeriesInstanceUID": "1.2.3.6.7"}
    inverse = {"PresentationLUTShape": "INVERSE", "shown": dcmread(BytesIO(plain))}
    states = [of(number, **uids, **inverse) for number in (61, 62, 63)]
    store(client, plain, *states)
    assert grey(get(client, f"{study}/thumbnail"))[0][0] < 20
    assert grey(get(client, f"{study}/series/1.2.3.6.7/thumbnail"))[0][0] > 240


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        (rendered(GONE), 406, "not here"),
        (rendered(NOTHING), 406, "names no image"),
        (rendered(BLENDING), 406, "nothing to render"),
        (rendered(HOSTILE), 406, "coordinates"),
        (thumbnail(GONE), 406, "not here"),
        (thumbnail(BLENDING), 406, "thumbnail"),
        (thumbnail(HOSTILE), 406, "coordinates"),
        (f"{rendered(INVERSE)}?window=1,2", 400, "its own"),
        (f"{rendered(INVERSE)}?viewport=5,5,90,90,1,1", 400, "no pixel"),
        (f"{rendered(INVERSE)}?accept=text/html", 406, ""),
        (f"{STATES}/instances/1.2.3.1.7.{INVERSE}/frames/2/rendered", 404, "1 frames"),
        (with_state(HOSTILE), 406, "coordinates"),
        (with_state(BLENDING), 406, "kind"),
        (with_state(GONE), 400, "does not refer to this image"),
        (with_state(INVERSE, of=2), 400, "does not refer to this image"),
        (with_state(99), 404, "presentation state"),
        (f"{WADO}1&presentationUID=1.2.3.1.7.1", 400, "together"),
        (f"{WADO}1&presentationSeriesUID=1.2.3.1.7", 400, "together"),
        (f"{WADO}1&presentationSeriesUID=1.2.3.1.7&presentationUID=x", 400, "UIDs"),
        (f"{WADO}1&presentationSeriesUID=1.2.3.1.1&presentationUID=1.2.3.1.7.1", 404, ""),
        (f"{WADO}1&presentationSeriesUID=1.2.3.1.1&presentationUID=1.2.3.1.1.1", 406, "kind"),
        (f"{with_state(INVERSE)}&windowCenter=1&windowWidth=2", 400, "windowCenter"),
        (f"{with_state(INVERSE)}&region=0,0,1,1", 400, "region"),
        (f"{with_state(INVERSE)}&contentType=application/dicom", 400, "pictures"),
    ],
)
def test_refused_with_a_reason(client: TestClient, path: str, status: int, reason: str) -> None:
    answer = get(client, path)
    assert answer.status_code == status, answer.text
    assert reason in answer.json()["message"]


def test_each_state_has_its_own_picture_and_keeps_it(client: TestClient) -> None:
    tags = {
        get(client, path).headers["etag"] for path in (with_state(INVERSE), with_state(TURNED), f"{WADO}1")
    }
    assert len(tags) == 3
    again = get(client, with_state(INVERSE))
    assert again.headers["x-cache"] == "HIT"
    known = client.get(with_state(INVERSE), headers={"Accept": PNG, "If-None-Match": again.headers["etag"]})
    assert known.status_code == 304


def test_a_state_that_is_too_large_is_not_read(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicomweb.presented.MOST_BYTES", 10)
    assert get(client, rendered(INVERSE)).status_code == 406


def test_what_is_left_out_of_several_is_said(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    several = 'multipart/related; type="image/png"'
    whole = get(client, f"{SERIES}/rendered", several)
    assert whole.status_code == 200 and "warning" not in whole.headers
    bad = image(5, "1.2.840.10008.1.2.4.50", [b"\xff\xd8no jpeg"], StudyInstanceUID="1.2.3.5")
    store(client, bad, image(6, StudyInstanceUID="1.2.3.5"), image(7, StudyInstanceUID="1.2.3.5"))
    answer = get(client, "/dicom-web/studies/1.2.3.5/rendered", several)
    assert answer.status_code == 206 and len(parts(answer)) == 2
    assert "1 of 3 pictures left out" in answer.headers["warning"]
    monkeypatch.setattr(rendered_parts, "AHEAD", 1)
    monkeypatch.setattr(rendered_parts, "KEPT", 0)
    answer = get(client, "/dicom-web/studies/1.2.3.5/rendered", several)
    assert len(parts(answer)) == 2
    assert "the pictures after these" in answer.headers["warning"]
