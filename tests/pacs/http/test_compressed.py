"""Texts are compressed for callers who ask for it, and nothing else is."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx import Response as Answer
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from pacs.http.app import create_app
from pacs.http.compressed import WORTH
from pacs.http.resource import Resource
from tests.pacs.http.composed import composed

LONG = b'{"a":"%s"}' % (b"b" * WORTH)
CONTENTS = {
    "/json": (LONG, "application/json", {}),
    "/dicom": (LONG, "application/dicom+json", {"Vary": "Accept"}),
    "/html": (LONG, "text/html", {}),
    "/xml": (LONG, 'multipart/related; type="application/dicom+xml"; boundary=a', {}),
    "/short": (b'{"a":"b"}', "application/json", {}),
    "/picture": (LONG, "image/jpeg", {}),
    "/file": (LONG, "application/dicom", {}),
    "/tagged": (LONG, "application/json", {"ETag": '"1"'}),
    "/encoded": (LONG, "application/json", {"Content-Encoding": "br"}),
}
COMPRESSED = {"/json", "/dicom", "/html", "/xml"}


def content(request: Request) -> Response:
    body, media_type, headers = CONTENTS[request.url.path]
    return Response(body, 200, headers, media_type)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(create_app({}, {}, [Resource(path, content, None) for path in CONTENTS])) as client:
        yield client


def sent(client: TestClient, path: str, coding: str, method: str = "GET") -> tuple[bytes, Answer]:
    """The body as it was transferred."""
    answer = client.send(client.build_request(method, path, headers={"Accept-Encoding": coding}), stream=True)
    return b"".join(answer.iter_raw()), answer


@pytest.mark.parametrize("path", CONTENTS)
def test_long_texts_are_compressed_when_asked(client: TestClient, path: str) -> None:
    body, answer = sent(client, path, "gzip, deflate")
    assert int(answer.headers["content-length"]) == len(body)
    if path not in COMPRESSED:
        assert body == CONTENTS[path][0]
        assert answer.headers.get("content-encoding") == CONTENTS[path][2].get("Content-Encoding")
        return
    assert (gzip.decompress(body), answer.headers["content-encoding"]) == (LONG, "gzip")
    assert len(body) < len(LONG)


@pytest.mark.parametrize("coding", ["identity", "", "gzip;q=0", "br"])
def test_not_when_not_asked(client: TestClient, coding: str) -> None:
    body, answer = sent(client, "/json", coding)
    assert (body, answer.headers.get("content-encoding")) == (LONG, None)


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_a_cache_is_told_what_the_answer_depends_on(client: TestClient, coding: str) -> None:
    assert sent(client, "/json", coding)[1].headers["vary"] == "Accept-Encoding"
    assert sent(client, "/dicom", coding)[1].headers["vary"] == "Accept, Accept-Encoding"
    assert "vary" not in sent(client, "/picture", coding)[1].headers


def test_a_head_tells_the_same(client: TestClient) -> None:
    get, head = (sent(client, "/json", "gzip", method)[1].headers for method in ("GET", "HEAD"))
    for name in ("content-length", "content-encoding", "content-type", "vary"):
        assert get[name] == head[name]


def test_public_documents_too(tmp_path: Path) -> None:
    with composed(tmp_path) as client:
        for path in ("/api/v1/openapi.json", "/docs"):
            body, answer = sent(client, path, "gzip")
            assert answer.headers["content-encoding"] == "gzip"
            assert gzip.decompress(body) == sent(client, path, "identity")[0]
