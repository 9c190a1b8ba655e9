"""Whatever is sent to the REST API is answered or refused, never a fault of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from pacs.http.rest.study_filters import FILTERS
from tests.pacs.http.composed import composed

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = st.sampled_from([*sorted(FILTERS), "limit", "offset", "after", "expires", "reason", "x"])
VALUES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["\0", "*", "?", "-", "\\", '""', "%", "1" * 30, "9" * 19, "-1", "0", "CT,MR", "unread"]),
    st.integers().map(str),
    st.dates().map(str),
)
UIDS = st.one_of(st.from_regex(r"[0-9.]{1,64}", fullmatch=True), st.text(min_size=1, max_size=70))
JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=6,
)
FIELDS = (
    "study_instance_uid",
    "patient_name",
    "study_description",
    "modality",
    "priority",
    "state",
    "reason",
)
BODIES = st.one_of(JSON, st.dictionaries(st.sampled_from(FIELDS), st.one_of(st.text(), JSON), max_size=4))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    with composed(folder) as client:
        yield client


def check(answer: Any) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert set(answer.json()) == {"status", "code", "message", "correlation_id"}


@QUICK
@given(
    st.lists(st.tuples(NAMES, VALUES), max_size=4), st.sampled_from(["studies", "images", "changes", "tasks"])
)
def test_query_strings(client: TestClient, query: list[tuple[str, str]], path: str) -> None:
    written = "&".join(f"{quote(name)}={quote(value, errors='replace')}" for name, value in query)
    check(client.get(f"/api/v1/{path}?{written}"))


@QUICK
@given(UIDS, st.sampled_from(["", "/series", "/images", "/metadata", "/url", "/upload"]))
def test_paths(client: TestClient, uid: str, below: str) -> None:
    name = quote(uid, safe="", errors="replace")
    for kind in ("studies", "images", "tasks", "signed/images"):
        for method in ("GET", "DELETE"):
            check(client.request(method, f"/api/v1/{kind}/{name}{below}", params={"reason": "test"}))


@QUICK
@given(BODIES)
def test_bodies(client: TestClient, body: Any) -> None:
    try:
        check(client.post("/api/v1/studies", json=body))
    except ValueError:  # NaN is no JSON
        return
    check(client.patch("/api/v1/studies/1.2.3", json=body))
    check(client.request("DELETE", "/api/v1/studies/1.2.3", json=body))


@QUICK
@given(st.binary(max_size=300), st.text(alphabet=st.characters(codec="ascii"), max_size=60))
def test_forms(client: TestClient, body: bytes, boundary: str) -> None:
    kind = f"multipart/form-data; boundary={boundary}".replace("\r", "").replace("\n", "")
    for content in (
        body,
        b"--x\r\n" + body + b"\r\n--x--",
        b"--x\r\nContent-Disposition: form-data; " + body,
    ):
        for given_kind in (kind, "multipart/form-data; boundary=x"):
            headers = {"Content-Type": given_kind.encode("ascii", "replace")}
            check(client.post("/api/v1/uploads", content=content, headers=headers))
