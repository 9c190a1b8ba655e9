"""`OPTIONS /dicom-web/` (PS3.18 §8.9) tells what the routes are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from xml.etree import ElementTree

import pytest
from pydicom import dcmread
from pydicom.uid import HTJ2K, UID, BasicTextSRStorage, EncapsulatedPDFStorage, ExplicitVRLittleEndian
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount
from starlette.testclient import TestClient

from dicomweb import capabilities
from dicomweb.bulkdata import DOCUMENTS
from dicomweb.frame_types import COMPRESSED
from pacs.http.app import create_app
from pacs.http.resource import Resource
from pacs.rights import Right
from tests.dicomweb.retrieving import image, written
from tests.pacs.http.composed import composed

WADL = "{http://wadl.dev.java.net/2009/02}"


def nothing(request: Request) -> Response:
    return PlainTextResponse("")


@pytest.fixture
def client() -> TestClient:
    others = [
        Resource("/studies", nothing, Right.READ),
        Resource("/studies", nothing, Right.STORE, ["POST"]),
        Resource("/studies/{study}", nothing, Right.READ),
        Resource("/studies/{study}/frames/{frames}", nothing, Right.READ),
        Resource("/studies/{study}/bulkdata/{value:path}", nothing, Right.READ),
    ]
    routes = [*others, *capabilities.resources(others, "/dicom-web")]
    return TestClient(create_app({}, {}, [Mount("/dicom-web", routes=routes)]))


def test_wadl(client: TestClient) -> None:
    answer = client.options("/dicom-web/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/vnd.sun.wadl+xml")
    (resources,) = ElementTree.fromstring(answer.content)
    assert resources.attrib["base"] == "http://testserver/dicom-web"
    found = {
        each.attrib["path"]: [method.attrib["name"] for method in each.iter(f"{WADL}method")]
        for each in resources
    }
    assert found == {
        "studies": ["GET", "POST"],
        "studies/{study}": ["GET"],
        "studies/{study}/frames/{frames}": ["GET"],
        "studies/{study}/bulkdata/{value}": ["GET"],
    }
    (study,) = (each for each in resources if each.attrib["path"] == "studies/{study}")
    assert [param.attrib["name"] for param in study.iter(f"{WADL}param")] == ["study"]
    types = [each.attrib["mediaType"] for each in study.iter(f"{WADL}representation")]
    assert types == ['multipart/related; type="application/dicom"', "application/zip"]


def test_the_same_in_json(client: TestClient) -> None:
    answer = client.options("/dicom-web/", headers={"Accept": "application/json"})
    tree: dict[str, Any] = answer.json()["application"]["resources"]
    assert len(tree["resource"]) == 4


def test_no_other_form(client: TestClient) -> None:
    assert client.options("/dicom-web/", headers={"Accept": "image/png"}).status_code == 406


STUDY = re.compile("/studies/[0-9.]+/")
MULTIPART = re.compile(r'multipart/related; ?type="(.*?)"')


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Images of all media types, documents and a report, each in a study of its own; two share one."""
    by_type = {kind: uid for uid, kind in COMPRESSED.items() if UID(uid).is_transfer_syntax}
    files = [image(1), image(2, frames=[bytes(24)] * 2), report(3)]
    files += [other(n, uid, [b"as it is"]) for n, uid in enumerate(by_type.values(), 10)]
    files.append(other(50, HTJ2K, [b"as it is"]).replace(HTJ2K.encode(), b"1.2.840.10008.1.2.4.110"))
    files += [document(number, kind) for number, kind in enumerate(sorted(DOCUMENTS), 100)]
    with composed(tmp_path_factory.mktemp("data")) as client:
        for data in (*files, other(4)):
            kind = {"Content-Type": "application/dicom"}
            assert client.post("/dicom-web/studies", content=data, headers=kind).status_code == 200
        yield client


def other(number: int, *encoded: Any) -> bytes:
    return image(number, *encoded, StudyInstanceUID=f"1.2.4.{number}", SeriesInstanceUID=f"1.2.4.{number}.1")


def document(number: int, kind: str) -> bytes:
    ds = dcmread(BytesIO(other(number)))
    del ds.PixelData
    ds.SOPClassUID = EncapsulatedPDFStorage
    ds.EncapsulatedDocument, ds.MIMETypeOfEncapsulatedDocument = b"a document", kind
    return written(ds, ExplicitVRLittleEndian)


def report(number: int) -> bytes:
    ds = dcmread(BytesIO(other(number)))
    del ds.PixelData
    ds.SOPClassUID, ds.Modality, ds.ValueType = BasicTextSRStorage, "SR", "CONTAINER"
    ds.ContentSequence = []
    return written(ds, ExplicitVRLittleEndian)


def advertised(client: TestClient) -> dict[str, list[str]]:
    """Of each path that is read."""
    answer = client.options("/dicom-web/", headers={"Accept": "application/json"})
    return {
        each["@path"]: [kind["@mediaType"] for kind in method["response"][0]["representation"]]
        for each in answer.json()["application"]["resources"]["resource"]
        for method in each["method"]
        if method["@name"] == "GET"
    }


def places(client: TestClient, path: str) -> list[str]:
    """The resources at this path."""
    found = set[str]()
    for each in client.get("/dicom-web/instances").json():
        study, series, sop = (each[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018"))
        uids = {"study": study, "series": series, "StudyInstanceUID": study, "SeriesInstanceUID": series}
        for tag in ("00420011", "7FE00010"):
            found.add(f"/dicom-web/{path}".format(sop=sop, frames=1, value=tag, **uids))
    return sorted(found)


def answered(client: TestClient, place: str, accept: str) -> str:
    """The media type of the answer, as it is advertised; empty for none."""
    answer = client.get(place, headers={"Accept": accept})
    if answer.status_code not in (200, 206):
        return ""
    kind = answer.headers["content-type"]
    parts = MULTIPART.match(kind)
    return f'multipart/related; type="{parts[1]}"' if parts else kind.partition(";")[0]


def test_every_type_that_is_advertised_is_answered(full: TestClient) -> None:
    answering = dict[str, str]()  # each type is sought where it was found before
    for path, types in advertised(full).items():
        assert types and len(set(types)) == len(types), path
        every = places(full, path)
        for kind in types:
            before = answering.get(kind, "")
            likely = (*(place for place in every if before in place), *every)
            place = next((each for each in likely if answered(full, each, kind) == kind), "")
            assert place, (path, kind)
            if study := STUDY.search(place):
                answering[kind] = study[0]


def test_every_type_that_is_answered_is_advertised(full: TestClient) -> None:
    found = advertised(full)
    names = {kind for types in found.values() for kind in types} | {"image/avif", "text/csv", "video/mpeg"}
    names |= {MULTIPART.sub(r"\1", kind) for kind in names}
    names |= {kind if "/related" in kind else f'multipart/related; type="{kind}"' for kind in names}
    for path, types in found.items():
        others = ", ".join(sorted(names.difference(types)))
        for place in places(full, path):
            assert answered(full, place, others) in ("", *types), place
