"""Files for browsers, compressed or not: each form has its own name."""

from __future__ import annotations

import json

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from worklist.http import dictionary
from worklist.http.assets import ASKED_AGAIN, answer, asset

BODY = b"export const answer = 42;\n" * 100
PLAIN, PACKED = {"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip"}


@pytest.fixture
def client() -> TestClient:
    found = asset("a.js", BODY)

    def give(request: Request) -> Response:
        return answer(request, found, ASKED_AGAIN)

    return TestClient(Starlette(routes=[Route("/a.js", give)]))


def test_each_form_has_a_tag_of_its_own(client: TestClient) -> None:
    plain, packed = (client.get("/a.js", headers=each) for each in (PLAIN, PACKED))
    assert plain.content == packed.content == BODY
    assert "Content-Encoding" not in plain.headers and packed.headers["Content-Encoding"] == "gzip"
    assert plain.headers["ETag"] != packed.headers["ETag"]
    for form, tag, status in (
        (PLAIN, plain.headers["ETag"], 304),
        (PACKED, packed.headers["ETag"], 304),
        (PLAIN, packed.headers["ETag"], 200),
        (PACKED, plain.headers["ETag"], 200),
    ):
        found = client.get("/a.js", headers={**form, "If-None-Match": tag})
        assert found.status_code == status
        assert found.headers["Vary"] == "Accept-Encoding"
        assert status == 200 or (found.headers["ETag"] == tag and not found.content)


def test_names_of_attributes() -> None:
    names = json.loads(dictionary.names())
    assert names["00100010"] == "Patient's Name"
    assert names["0008103E"] == "Series Description"
    assert names["60xx3000"] == "Overlay Data"
