"""The OpenAPI document is valid, whole and true; its page needs no script."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from openapi_spec_validator import validate
from starlette.routing import BaseRoute
from starlette.testclient import TestClient

from pacs.http.app import App
from pacs.http.openapi import PAGES, document, flattened
from tests.pacs.http.composed import composed


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder: Path = tmp_path_factory.mktemp("openapi")
    with composed(folder) as client:
        yield client


def routes(client: TestClient) -> list[BaseRoute]:
    assert isinstance(client.app, App)
    return client.app.routes


def test_it_is_valid_and_served_as_it_is_made(client: TestClient) -> None:
    served = client.get("/api/v1/openapi.json").json()
    validate(served)
    assert served == document(routes(client))


def test_every_route_of_an_api_is_in_it(client: TestClient) -> None:
    described = document(routes(client))["paths"]
    routed = {
        (path, method.lower())
        for path, route in flattened(routes(client))
        for method in (route.methods or set()) - {"HEAD"}
        if PAGES.match(path)
    }
    assert routed == {(path, method) for path, methods in described.items() for method in methods}
    assert len(routed) > 40


def test_everything_in_it_is_said_in_words(client: TestClient) -> None:
    found = document(routes(client))
    operations = [(path, each) for path, methods in found["paths"].items() for each in methods.values()]
    assert len({each["operationId"] for _, each in operations}) == len(operations)
    for path, each in operations:
        if path.startswith("/api/v1"):
            assert not each["summary"].startswith(("GET", "POST", "DELETE", "PATCH")), path
        named = {p["name"] for p in each.get("parameters", ()) if p["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))


PARTS = ("Range", "If-None-Match")


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/rendered", {"accept", "viewport", "window", "annotation", "quality", "iccprofile", *PARTS}),
        ("/thumbnail", {"accept", "viewport", "If-None-Match"}),
        ("/metadata", {"accept", "If-None-Match"}),
        ("/frames/{frames}", {"accept", *PARTS}),
        ("/bulkdata/{value}", {"accept", *PARTS}),
        ("/pixeldata", {"accept", *PARTS}),
        ("", {"accept", *PARTS}),
    ],
)
def test_what_a_retrieval_heeds_is_in_it(client: TestClient, path: str, names: set[str]) -> None:
    paths = document(routes(client))["paths"]
    found = paths[f"/dicom-web/studies/{{study}}/series/{{series}}/instances/{{sop}}{path}"]["get"]
    assert {each["name"] for each in found["parameters"] if each["in"] != "path"} == names


def test_a_search_is_said_to_match_what_its_level_has(client: TestClient) -> None:
    paths = document(routes(client))["paths"]
    keys = {
        path: {each["name"] for each in paths[f"/dicom-web/{path}"]["get"]["parameters"]}
        for path in ("studies", "series", "instances")
    }
    assert "orderby" in keys["studies"] - keys["series"]
    keys["studies"].remove("orderby")
    assert (
        {"PatientName", "ModalitiesInStudy", "accept"} < keys["studies"] < keys["series"] < keys["instances"]
    )
    assert "SeriesNumber" in keys["series"] - keys["studies"] and "Rows" in keys["instances"] - keys["series"]


def test_it_says_what_each_operation_answers(client: TestClient) -> None:
    """All but capabilities say the media type, or that there is none (204)."""
    paths = document(routes(client))["paths"]
    for path, methods in paths.items():
        for method, each in methods.items():
            (success,) = set(each["responses"]) - {"default"}
            assert success == "204" or "content" in each["responses"][success] or method == "options", path
            assert method not in ("post", "patch") or path.endswith(_BODILESS) or "requestBody" in each, path


_BODILESS = ("/logout", "/invalidate-cache", "/restore", "/process", "/retry")


@pytest.mark.parametrize("path", ["/dicom-web", "/dicom-web/"])
def test_the_capabilities_are_at_the_root_with_and_without_a_slash(client: TestClient, path: str) -> None:
    assert client.options(path, follow_redirects=False).status_code == 200


@pytest.mark.parametrize("path", ["/schema", "/schema/", "/api/v1/schema/"])
def test_it_has_other_names(client: TestClient, path: str) -> None:
    assert client.get(path, follow_redirects=False).json() == client.get("/api/v1/openapi.json").json()


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/swagger-ui/", "/api/docs/", "/api/v1/swagger-ui/"])
def test_the_page_is_whole_by_itself(client: TestClient, path: str) -> None:
    page = client.get(path)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script" not in page.text and "https://" not in page.text
    style = re.search("<style>(.*)</style>", page.text, re.DOTALL)
    assert style is not None
    allowed = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"'sha256-{allowed}'" in page.headers["content-security-policy"]
    assert "/dicom-web/studies/{study}" in page.text
    assert "`" not in page.text and "<code>Problem</code>" in page.text
