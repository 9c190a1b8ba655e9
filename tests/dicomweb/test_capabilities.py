"""`OPTIONS /dicom-web/` (PS3.18 §8.9) tells what the routes are."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount
from starlette.testclient import TestClient

from dicomweb import capabilities
from pacs.http.app import create_app
from pacs.http.resource import Resource
from pacs.rights import Right

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
    assert types == ['multipart/related; type="application/dicom"', "application/dicom", "application/zip"]


def test_the_same_in_json(client: TestClient) -> None:
    answer = client.options("/dicom-web/", headers={"Accept": "application/json"})
    tree: dict[str, Any] = answer.json()["application"]["resources"]
    assert len(tree["resource"]) == 4


def test_no_other_form(client: TestClient) -> None:
    assert client.options("/dicom-web/", headers={"Accept": "image/png"}).status_code == 406
