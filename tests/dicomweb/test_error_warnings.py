"""Which answers carry a warning."""

from __future__ import annotations

import pytest
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from dicomweb.error_warnings import ErrorWarningsMiddleware
from pacs.errors import NotAcceptable
from pacs.http.app import create_app


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
    routes = [Route(f"/{each.__name__}", each) for each in (good, refused, without_reason, said_already)]
    service = Mount(
        "/dicom-web", routes=routes, middleware=[Middleware(ErrorWarningsMiddleware, root="/dicom-web")]
    )
    return TestClient(create_app({}, {}, [service]))


@pytest.mark.parametrize(
    ("path", "status", "warning"),
    [
        ("good", 200, None),
        ("refused", 406, "299 http://testserver/dicom-web \"available: 'image/jpeg'\""),
        ("without_reason", 409, None),
        ("said_already", 409, "299 here said"),
    ],
)
def test_an_error_says_why(client: TestClient, path: str, status: int, warning: str | None) -> None:
    answer = client.get(f"/dicom-web/{path}")
    assert (answer.status_code, answer.headers.get("warning")) == (status, warning)
    assert answer.json()
