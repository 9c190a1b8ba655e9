"""Which answers carry a warning."""

from __future__ import annotations

from functools import partial

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient

from dicomweb.warning import reason
from pacs.errors import NotAcceptable
from pacs.http.app import create_app
from pacs.http.resource import Public, Resource, Service


def good(request: Request) -> Response:
    return JSONResponse({"message": "fine"})


def refused(request: Request) -> Response:
    raise NotAcceptable('available: "image/jpeg"')


def without_reason(request: Request) -> Response:
    return JSONResponse(["no"], 409)


def said_already(request: Request) -> Response:
    return JSONResponse({"message": "other"}, 409, {"Warning": "299 here said"})


@pytest.fixture
def client() -> TestClient:
    resources = [
        Resource(f"/{each.__name__}", each, None) for each in (good, refused, without_reason, said_already)
    ]
    service = Service("/dicom-web", resources, partial(reason, "/dicom-web"))
    return TestClient(create_app({}, {}, [service, Public("/refused", refused)]))


@pytest.mark.parametrize(
    ("path", "status", "warning"),
    [
        ("good", 200, None),
        ("nothing", 404, '299 http://testserver/dicom-web "Not Found"'),
        ("refused", 406, "299 http://testserver/dicom-web \"available: 'image/jpeg'\""),
        ("without_reason", 409, None),
        ("said_already", 409, "299 here said"),
    ],
)
def test_an_error_says_why(client: TestClient, path: str, status: int, warning: str | None) -> None:
    answer = client.get(f"/dicom-web/{path}")
    assert (answer.status_code, answer.headers.get("warning")) == (status, warning)
    assert answer.json()


def test_errors_elsewhere_have_none(client: TestClient) -> None:
    answer = client.get("/refused")
    assert (answer.status_code, answer.headers.get("warning")) == (406, None)
