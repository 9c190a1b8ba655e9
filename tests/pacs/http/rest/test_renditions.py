"""The pictures of the REST API."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.dicomweb.retrieving import image
from tests.pacs.http.composed import composed

ONE = "/api/v1/images/1.2.3.1.1.1"
VALUES = np.arange(1000, 1000 + 24 * 100, 100, dtype="<u2").reshape(4, 6)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    wide: dict[str, Any] = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}
    frames = [VALUES.tobytes(), VALUES[::-1].tobytes()]
    with composed(tmp_path_factory.mktemp("data")) as client:
        stored = client.post(
            "/dicom-web/studies",
            content=image(1, frames=frames, **wide),
            headers={"Content-Type": "application/dicom"},
        )
        assert stored.status_code == 200
        yield client


def opened(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    return Image.open(BytesIO(answer.content))


@pytest.mark.parametrize(
    ("path", "accept", "kind", "longest", "age"),
    [
        ("thumbnail", "*/*", "JPEG", 200, 86_400),
        ("preview", "*/*", "JPEG", 800, 7_200),
        ("preview", "image/webp", "WEBP", 800, 7_200),
        ("webp", "*/*", "WEBP", 6, 3_600),
        ("full", "image/png", "PNG", 6, 3_600),
    ],
)
def test_each_tier(client: TestClient, path: str, accept: str, kind: str, longest: int, age: int) -> None:
    answer = client.get(f"{ONE}/{path}", headers={"Accept": accept})
    found = opened(answer)
    assert (found.format, max(found.size)) == (kind, longest)
    assert answer.headers["cache-control"] == f"private, max-age={age}"
    known = client.get(f"{ONE}/{path}", headers={"Accept": accept, "If-None-Match": answer.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")


@pytest.mark.parametrize("path", ["full", "data"])
def test_all_values_are_there(client: TestClient, path: str) -> None:
    for frame, values in ((1, VALUES), (2, VALUES[::-1])):
        answer = client.get(f"{ONE}/{path}?frame={frame}", headers={"Accept": "image/png"})
        assert np.array_equal(np.asarray(opened(answer)), values)
    whole = client.get(f"{ONE}/{path}")
    assert whole.headers["content-type"] == "application/dicom"
    assert whole.content[128:132] == b"DICM"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("thumbnail?size=5", 400),
        ("thumbnail?frame=0", 400),
        ("thumbnail?frame=3", 404),
        ("thumbnail?accept=text/html", 406),
        ("full?accept=image/gif", 406),
        ("nothing", 404),
    ],
)
def test_refused(client: TestClient, path: str, status: int) -> None:
    assert client.get(f"{ONE}/{path}").status_code == status


def test_what_is_not_there(client: TestClient) -> None:
    for name in ("thumbnail", "preview", "webp", "full", "data"):
        assert client.get(f"/api/v1/images/1.9/{name}").status_code == 404
    assert client.post("/api/v1/images/1.9/invalidate-cache").status_code == 404


def test_the_cache_can_be_emptied_and_counted(client: TestClient) -> None:
    first = client.get(f"{ONE}/thumbnail?frame=1").headers["x-cache"]
    assert [first, client.get(f"{ONE}/thumbnail?frame=1").headers["x-cache"]] == ["MISS", "HIT"]
    before = client.get("/api/v1/images/cache-stats").json()
    assert before["entries"] > 0
    assert client.post(f"{ONE}/invalidate-cache").status_code == 204
    assert client.get("/api/v1/images/cache-stats").json()["entries"] == 0
    assert client.get(f"{ONE}/thumbnail?frame=1").headers["x-cache"] == "MISS"
    after = client.get("/api/v1/images/cache-stats").json()
    assert after["misses"] == before["misses"] + 1
    assert after["hit_rate"] == after["hits"] / (after["hits"] + after["misses"])
