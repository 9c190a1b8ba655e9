"""Rendered resources over the whole application in this process: what is asked for, and what comes."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, ImageSequence
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from starlette.testclient import TestClient

from dicomweb.thumbnails import MOST_TRIED
from pacs.actor import Actor
from pacs.model import StoredInstance
from pacs.rendering import Rendering, RenderRequest, Rendition
from tests.dicomweb.retrieving import image, parts
from tests.pacs.http.composed import composed

STUDY = "/dicom-web/studies/1.2.3.1"
SERIES = f"{STUDY}/series/1.2.3.1.1"
ONE, MANY = f"{SERIES}/instances/1.2.3.1.1.1", f"{SERIES}/instances/1.2.3.1.1.2"
WADO = "/wado?requestType=WADO&studyUID=1.2.3.1&seriesUID=1.2.3.1.1&objectUID=1.2.3.1.1."
FRAMES = [bytes(range(n, n + 24)) for n in range(0, 60, 20)]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One image, one of three frames, and one that holds no JPEG where it should."""
    bad = image(3, "1.2.840.10008.1.2.4.50", [b"\xff\xd8no jpeg"], SeriesInstanceUID="1.2.3.1.2")
    with composed(tmp_path_factory.mktemp("data")) as client:
        for data in (image(1), image(2, frames=FRAMES), bad):
            stored = client.post(
                "/dicom-web/studies", content=data, headers={"Content-Type": "application/dicom"}
            )
            assert stored.status_code == 200
        yield client


def get(client: TestClient, path: str, accept: str = "*/*") -> httpx.Response:
    found: httpx.Response = client.get(path, headers={"Accept": accept})
    return found


def opened(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    return Image.open(BytesIO(answer.content))


def moving(answer: httpx.Response) -> int:
    return sum(1 for _ in ImageSequence.Iterator(opened(answer)))


@pytest.mark.parametrize(
    ("path", "accept", "kind"),
    [
        (f"{ONE}/rendered", "*/*", "JPEG"),
        (f"{ONE}/rendered", "image/*", "JPEG"),
        (f"{ONE}/rendered", "image/png", "PNG"),
        (f"{ONE}/rendered", "image/png;q=0.5, image/webp", "WEBP"),
        (f"{ONE}/rendered", "image/avif,image/webp,image/apng,image/*,*/*;q=0.8", "WEBP"),
        (f"{ONE}/rendered", "image/jp2", "JPEG2000"),
        (f"{ONE}/rendered?accept=image/gif", "text/html", "GIF"),
        (f"{ONE}/frames/1/rendered", "image/png", "PNG"),
        (f"{ONE}/thumbnail", "*/*", "JPEG"),
        (f"{MANY}/rendered", "*/*", "JPEG"),
        (f"{MANY}/rendered", "image/gif", "GIF"),
        (f"{MANY}/frames/1-3/rendered", "image/webp", "WEBP"),
        (f"{MANY}/frames/2/thumbnail", "*/*", "JPEG"),
        (f"{STUDY}/thumbnail", "image/png", "PNG"),
        (f"{SERIES}/thumbnail", "*/*", "JPEG"),
        (f"{WADO}1", "*/*", "JPEG"),
        (f"{WADO}1&contentType=image/png", "*/*", "PNG"),
        (f"{WADO}1&contentType=image/dicom+jpeg", "*/*", "JPEG"),
        (f"{WADO}2&frameNumber=3&contentType=image/jpeg", "*/*", "JPEG"),
        (f"{WADO}2&contentType=image/gif", "*/*", "GIF"),
    ],
)
def test_a_picture_as_it_is_wanted(client: TestClient, path: str, accept: str, kind: str) -> None:
    assert opened(get(client, path, accept)).format == kind


def test_what_moves_has_all_frames(client: TestClient) -> None:
    assert moving(get(client, f"{MANY}/rendered", "image/gif")) == 3
    assert moving(get(client, f"{MANY}/frames/3,1/rendered", "image/gif")) == 2


@pytest.mark.parametrize(
    ("path", "count"),
    [(STUDY, 2), (SERIES, 2), (ONE, 1), (MANY, 3), (f"{MANY}/frames/1,3", 2)],
)
def test_in_parts_without_what_cannot_be_shown(client: TestClient, path: str, count: int) -> None:
    found = parts(get(client, f"{path}/rendered", 'multipart/related; type="image/png"'))
    assert len(found) == count
    for head, body in found:
        assert head["content-type"] == "image/png"
        assert head["content-location"].startswith(f"http://127.0.0.1:8080{SERIES}/instances/")
        assert Image.open(BytesIO(body)).size == (6, 4)
        again = get(client, head["content-location"], "image/png")
        assert again.content == body


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{ONE}/rendered?window=1", 400),
        (f"{ONE}/rendered?viewport=0,0", 400),
        (f"{ONE}/rendered?viewport=5,5,100,100,1,1", 400),
        (f"{ONE}/rendered?quality=500", 400),
        (f"{ONE}/rendered?annotation=all", 400),
        (f"{ONE}/rendered?iccprofile=x", 400),
        (f"{ONE}/rendered?accept=text/html", 406),
        (f"{ONE}/frames/2/rendered", 404),
        (f"{ONE}/frames/0/rendered", 400),
        (f"{ONE}/frames/2/thumbnail", 404),
        (f"{ONE}9/rendered", 404),
        ("/dicom-web/studies/1.9/thumbnail", 404),
        ("/dicom-web/studies/1.9/rendered", 404),
        ("/dicom-web/studies/x/rendered", 400),
        (f"{STUDY}/series/1.2.3.1.2/rendered", 406),
        (f"{WADO}1&frameNumber=2", 404),
        (f"{WADO}1&frameNumber=0", 400),
        (f"{WADO}1&contentType=text/html", 406),
        (f"{WADO}1&anonymize=yes", 406),
        (f"{WADO}1&charset=ISO-8859-1", 406),
        (f"{WADO}1&windowCenter=5", 400),
        (f"{WADO}1&region=0,0,2,2", 400),
        (f"{WADO}1&rows=0", 400),
        (f"{WADO}1&imageQuality=x", 400),
        (f"{WADO}1&presentationUID=1.2", 400),
        (f"{WADO}1&contentType=application/dicom&rows=5", 400),
        (f"{WADO}1&contentType=image/png&transferSyntax=1.2.840.10008.1.2", 400),
        (f"{WADO}1&contentType=application/dicom&transferSyntax=x", 400),
        (f"{WADO}9", 404),
        ("/wado", 400),
        ("/wado?requestType=WADO&studyUID=1.2.3.1", 400),
        ("/wado?requestType=RID&studyUID=1.2.3.1", 400),
    ],
)
def test_refused_with_a_reason(client: TestClient, path: str, status: int) -> None:
    answer = get(client, path)
    assert answer.status_code == status, answer.text
    assert len(answer.json()["message"]) > 5


def test_the_picture_comes_when_anonymity_is_declined(client: TestClient) -> None:
    assert get(client, f"{WADO}1&anonymize=no").status_code == 200


def test_sizes(client: TestClient) -> None:
    assert opened(get(client, f"{ONE}/rendered?viewport=60,60")).size == (60, 40)
    assert opened(get(client, f"{ONE}/rendered?viewport=60,60,0,0,3,4")).size == (45, 60)
    assert opened(get(client, f"{ONE}/thumbnail")).size == (200, 133)
    assert opened(get(client, f"{ONE}/thumbnail?viewport=12,12")).size == (12, 8)
    assert opened(get(client, f"{WADO}1&rows=40")).size == (60, 40)
    assert opened(get(client, f"{WADO}1&columns=60")).size == (60, 40)
    assert opened(get(client, f"{WADO}1&region=0,0,0.5,1")).size == (3, 4)
    assert opened(get(client, f"{WADO}1&region=0,0,0.5,1&rows=40")).size == (30, 40)


def test_a_mirrored_source_is_mirrored(client: TestClient) -> None:
    straight = opened(get(client, f"{ONE}/rendered?viewport=6,4,0,0,6,4", "image/png"))
    mirrored = opened(get(client, f"{ONE}/rendered?viewport=6,4,0,0,-6,4", "image/png"))
    assert list(mirrored.transpose(Image.Transpose.FLIP_LEFT_RIGHT).tobytes()) == list(straight.tobytes())


def test_a_thumbnail_is_of_the_middle(client: TestClient) -> None:
    middle = get(client, f"{MANY}/frames/2/thumbnail")
    assert get(client, f"{MANY}/thumbnail").content == middle.content
    assert get(client, f"{SERIES}/thumbnail").content == middle.content
    assert middle.headers["cache-control"] == "private, max-age=86400"


def test_a_thumbnail_is_of_another_when_the_middle_cannot_be_decoded(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though those of its own kind are more than are tried; with nothing else there is none."""
    broken, whole = (8, "1.2.840.10008.1.2.4.50", [b"\xff\xd8no jpeg"]), (9,)
    uids: dict[str, Any] = {"StudyInstanceUID": "1.2.3.9", "SeriesInstanceUID": "1.2.3.9.1"}
    series = "/dicom-web/studies/1.2.3.9/series/1.2.3.9.1"

    def store(number: int, of: tuple[Any, ...]) -> None:
        data = image(*of, **uids, SOPInstanceUID=f"1.2.3.9.1.{number}", InstanceNumber=number)
        stored = client.post(
            "/dicom-web/studies", content=data, headers={"Content-Type": "application/dicom"}
        )
        assert stored.status_code == 200

    for number in range(1, 7):
        store(number, broken)
    tried: list[StoredInstance] = []
    made = Rendering.rendered

    def counted(self: Rendering, who: Actor, instance: StoredInstance, wanted: RenderRequest) -> Rendition:
        tried.append(instance)
        return made(self, who, instance, wanted)

    monkeypatch.setattr(Rendering, "rendered", counted)
    assert get(client, f"{series}/thumbnail").status_code == 406
    assert len(tried) == MOST_TRIED
    store(7, whole)
    assert opened(get(client, f"{series}/thumbnail")).format == "JPEG"
    assert opened(get(client, "/dicom-web/studies/1.2.3.9/thumbnail")).format == "JPEG"
    assert get(client, f"{series}/instances/1.2.3.9.1.1/thumbnail").status_code == 406


def test_wado_uri_gives_the_file_in_the_syntax_that_is_wanted(client: TestClient) -> None:
    default = get(client, f"{WADO}1&contentType=application/dicom")
    assert default.content == image(1)
    implicit = get(client, f"{WADO}1&contentType=application/dicom&transferSyntax=1.2.840.10008.1.2")
    assert implicit.status_code == 200
    assert b"1.2.840.10008.1.2\0" in implicit.content[:400]
    assert implicit.headers["content-type"].startswith("application/dicom")


def test_wado_uri_gives_the_file_in_ranges_and_but_once(client: TestClient) -> None:
    url = f"{WADO}1&contentType=application/dicom"
    answer = client.get(url, headers={"Range": "bytes=10-19"})
    assert (answer.status_code, answer.content) == (206, image(1)[10:20])
    assert answer.headers["content-type"] == "application/dicom"
    known = client.get(url, headers={"If-None-Match": answer.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")


@pytest.mark.parametrize(
    ("query", "accept", "syntax"),
    [
        ("&contentType=application/dicom", "*/*", ExplicitVRLittleEndian),
        ("&contentType=application/dicom&transferSyntax=*", "*/*", ImplicitVRLittleEndian),
        ("&contentType=application/dicom%3Btransfer-syntax=*", "*/*", ImplicitVRLittleEndian),
        ("", "application/dicom; transfer-syntax=*", ImplicitVRLittleEndian),
        ("", "application/dicom", ExplicitVRLittleEndian),
    ],
)
def test_wado_uri_gives_the_file_as_it_is_stored(
    client: TestClient, query: str, accept: str, syntax: str
) -> None:
    kind = {"Content-Type": "application/dicom"}
    stored = image(6, ImplicitVRLittleEndian, StudyInstanceUID="1.2.3.6")
    assert client.post("/dicom-web/studies", content=stored, headers=kind).status_code == 200
    url = f"{WADO}6{query}".replace("studyUID=1.2.3.1", "studyUID=1.2.3.6")
    file = dcmread(BytesIO(get(client, url, accept).content))
    assert file.file_meta.TransferSyntaxUID == syntax


def test_head_sends_no_body(client: TestClient) -> None:
    answer = client.head(f"{ONE}/rendered")
    assert (answer.status_code, answer.content) == (200, b"")


def test_reports_of_a_stranger_are_shown_locked_in(client: TestClient, tmp_path: Path) -> None:
    from tests.conformance import phantom

    patient = phantom.patient("Doe^Jane", "P9", "19700101", "F")
    study = phantom.study(patient, "20240101", "Study", "A9")
    for made, kind in ((phantom.report(study), "text/html"), (phantom.document(study), "application/pdf")):
        data = phantom.file_bytes(made)
        assert (
            client.post(
                "/dicom-web/studies", content=data, headers={"Content-Type": "application/dicom"}
            ).status_code
            == 200
        )
        path = f"/dicom-web/studies/{made.StudyInstanceUID}/series/{made.SeriesInstanceUID}"
        answer = get(client, f"{path}/instances/{made.SOPInstanceUID}/rendered")
        assert answer.headers["content-type"].startswith(kind)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        known = client.get(
            f"{path}/instances/{made.SOPInstanceUID}/rendered",
            headers={"If-None-Match": answer.headers["etag"]},
        )
        assert known.status_code == 304
        assert get(client, f"{path}/instances/{made.SOPInstanceUID}/frames/1/rendered").status_code == 404
