"""What goes wrong when a browser opens an address is a page; for all others it is a problem document."""

from __future__ import annotations

import html
import json
import re

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from pacs.errors import NotAcceptable
from pacs.http.app import create_app
from pacs.http.resource import Public
from worklist.http import pages
from worklist.http.pages import CONTENT_SECURITY_POLICY

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def broken(request: Request) -> Response:
    raise RuntimeError("<secret>")


def picky(request: Request) -> Response:
    raise NotAcceptable("available: <image/png>")


@pytest.fixture(scope="module")
def client() -> TestClient:
    site = pages.site()
    routes = [Public("/broken", broken, ("GET", "POST")), Public("/picky", picky), *site.routes]
    app = create_app({}, {}, routes, base_url="https://example.org/pacs", failure_page=site.failure)
    return TestClient(app, raise_server_exceptions=False)


def told(text: str) -> dict[str, object]:
    (content,) = re.findall(r'<meta name="failure" content="([^"]*)">', text)
    found: dict[str, object] = json.loads(html.unescape(content))
    return found


@pytest.mark.parametrize(
    ("path", "status"), [("/nonsense", 404), ("/assets/0/app.js", 404), ("/broken", 500)]
)
def test_a_browser_gets_a_page(client: TestClient, path: str, status: int) -> None:
    answer = client.get(path, headers={"Accept": BROWSER})
    problem = client.get(path).json()
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert answer.headers["Cache-Control"] == "no-store"
    said = told(answer.text)
    assert said.pop("correlation_id") == answer.headers["X-Correlation-ID"]
    assert said == {"status": status, "code": problem["code"], "message": problem["message"]}
    assert problem["message"] in answer.text.partition("<body>")[2]  # without the application, too
    assert 'href="/pacs/assets/' in answer.text and "secret" not in answer.text


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/dicom+json, text/html;q=0.1"])
def test_others_get_the_problem(client: TestClient, accept: str) -> None:
    answer = client.get("/nonsense", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/json")


def test_so_do_those_who_send_and_those_for_whom_nothing_is_acceptable(client: TestClient) -> None:
    for answer in (
        client.post("/broken", headers={"Accept": BROWSER}),
        client.get("/picky", headers={"Accept": "text/html"}),
    ):
        assert answer.headers["Content-Type"] == "application/json"


def test_a_page_that_is_there_tells_of_nothing(client: TestClient) -> None:
    assert "failure" not in client.get("/", headers={"Accept": BROWSER}).text
