"""The shell: health, metrics, correlation ids and errors, on an app with one resource of each kind."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from pacs.errors import Damaged, DatabaseUnavailable, NotFound
from pacs.http.app import create_app
from pacs.http.connection_limit import OVER_LIMIT
from pacs.http.headers import SECURITY_HEADERS
from pacs.http.resource import Resource
from pacs.http.threads import REQUEST_THREADS
from tests.waiting import eventually


class World:
    """A database that can be down or hang, and resources that fail."""

    def __init__(self) -> None:
        self.down = False
        self.hang = threading.Event()
        self.hang.set()
        self.runs = 0
        self.at_work = threading.Semaphore(0)

    def database(self) -> None:
        self.runs += 1
        self.hang.wait(120)
        if self.down:
            raise DatabaseUnavailable

    def depth(self) -> dict[str, float]:
        if self.down:
            raise DatabaseUnavailable
        return {"waiting": 3}


def good(request: Request) -> Response:
    return PlainTextResponse("good")


def missing(request: Request) -> Response:
    raise NotFound("no such study")


def busy(request: Request) -> Response:
    raise DatabaseUnavailable


def damaged(request: Request) -> Response:
    raise Damaged("blake3:12 is missing")


def broken(request: Request) -> Response:
    return PlainTextResponse(str(int("DOE^JANE")))


def half(request: Request) -> Response:
    def pieces() -> Iterator[bytes]:
        yield b"half of "
        raise DatabaseUnavailable

    return StreamingResponse(pieces())


async def waiting(request: Request) -> Response:
    raise ClientDisconnect  # as reading the body does when the caller is gone


async def cut_off(request: Request) -> Response:
    raise asyncio.CancelledError  # as uvicorn does to what takes too long when it stops


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.hang.set()


@pytest.fixture
def client(world: World) -> TestClient:
    def slow(request: Request) -> Response:
        world.at_work.release()
        world.hang.wait(120)
        return PlainTextResponse("done")

    app = create_app(
        {"database": world.database},
        {"pacs_jobs": ("Jobs", world.depth)},
        [
            Resource(f"/{each.__name__}", each, None)
            for each in (good, missing, busy, damaged, broken, half, waiting, cut_off, slow)
        ],
    )
    return TestClient(app, raise_server_exceptions=False)


def test_alive_whatever_the_database_does(client: TestClient, world: World) -> None:
    world.down = True
    for path in ("/health/live", "/api/v1/health/liveness"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "healthy"})


def test_ready_follows_the_database(client: TestClient, world: World) -> None:
    ready(client)
    world.down = True
    why = {"status": "failed", "reason": "DatabaseUnavailable"}
    answers: list[Any] = []

    def told() -> bool:
        answers.append(client.get("/health/ready"))
        return bool(answers[-1].json()["checks"]["database"] == why)

    eventually("it is told in time why not", told)
    assert answers[-1].status_code == 503
    assert answers[-1].json()["status"] == "unhealthy"
    world.down = False
    for path in ("/health", "/api/v1/health", "/api/v1/health/", "/api/v1/health/readiness"):
        ready(client, path)


def ready(client: TestClient, path: str = "/health/ready") -> None:
    """A busy machine may not tell in time that all is well."""

    def healthy() -> bool:
        answer = client.get(path)
        return answer.status_code == 200 and answer.json()["status"] == "healthy"

    eventually("it is ready", healthy)


def test_a_check_that_hangs_is_not_waited_for_and_not_repeated(client: TestClient, world: World) -> None:
    world.hang.clear()
    begin = time.monotonic()
    answers = [client.get("/health/ready") for _ in range(2)]
    assert time.monotonic() - begin < 60
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].json()["checks"]["database"]["status"] == "timeout"
    assert world.runs == 1
    world.hang.set()
    ready(client)


def test_health_is_told_while_all_other_threads_are_at_work(client: TestClient, world: World) -> None:
    with client, ThreadPoolExecutor(REQUEST_THREADS + 1) as callers:
        world.hang.clear()
        slow = [callers.submit(client.get, "/slow") for _ in range(REQUEST_THREADS)]
        for _ in slow:
            assert world.at_work.acquire(timeout=60)
        told = callers.submit(client.get, "/health/ready")
        try:
            assert told.result(timeout=60).status_code == 503  # as the check hangs too
        finally:
            world.hang.set()
        assert [each.result().text for each in slow] == ["done"] * REQUEST_THREADS


@pytest.mark.parametrize("given", ["abc", "A-1_b.9"])
def test_a_wellformed_correlation_id_is_taken(client: TestClient, given: str) -> None:
    assert client.get("/good", headers={"X-Correlation-ID": given}).headers["X-Correlation-ID"] == given


def test_each_request_is_a_line_in_the_log(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    """Reads at level debug, changes at info; by the route's pattern, as an address may name a patient."""
    caplog.set_level("DEBUG")
    with capture_logs([merge_contextvars]) as lines:
        client.get("/good?PatientName=DOE", headers={"X-Correlation-ID": "abc"})
        client.post("/good", headers={"X-Correlation-ID": "def"})
    lines = [line for line in lines if line["event"] == "request"]
    assert [line.pop("seconds") >= 0 for line in lines] == [True, True]
    assert lines == [
        {
            "event": "request",
            "log_level": level,
            "method": method,
            "route": route,
            "status": status,
            "correlation_id": given,
            "tenant": tenant,
        }
        for level, method, route, status, given, tenant in [
            ("debug", "GET", "/good", 200, "abc", 1),
            ("info", "POST", "/good", 405, "def", 1),
        ]
    ]


@pytest.mark.parametrize("given", ["", "a" * 200, "a b", "a\tb", "<x>"])
def test_a_malformed_correlation_id_is_replaced(client: TestClient, given: str) -> None:
    made = client.get("/good", headers={"X-Correlation-ID": given}).headers["X-Correlation-ID"]
    assert made and made != given


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "message"),
    [
        ("GET", "/missing", 404, "NOT_FOUND", "no such study"),
        ("GET", "/nowhere", 404, "NOT_FOUND", "Not Found"),
        ("POST", "/good", 405, "METHOD_NOT_ALLOWED", "POST is not possible here; use GET, HEAD"),
        ("GET", "/busy", 503, "DATABASE_UNAVAILABLE", "The database does not answer."),
        ("GET", "/broken", 500, "INTERNAL", "Something went wrong in the archive."),
    ],
)
def test_every_error_has_one_shape(
    client: TestClient, method: str, path: str, status: int, code: str, message: str
) -> None:
    answer = client.request(method, path, headers={"X-Correlation-ID": "abc"})
    assert answer.status_code == status
    assert answer.json() == {"status": "error", "code": code, "message": message, "correlation_id": "abc"}
    assert answer.headers["X-Correlation-ID"] == "abc"
    assert (answer.headers.get("Retry-After") is not None) == (status == 503)


@pytest.mark.parametrize("inside", ["", "/mounted"])
def test_a_wrong_method_is_told_all_right_ones(inside: str) -> None:
    def fine(request: Request) -> Response:
        return Response()

    table = [Route("/one/{x}", fine), Route("/one/{x}", fine, methods=["POST"]), Route("/other", fine)]
    client = TestClient(create_app({}, {}, [Mount(inside, routes=table)] if inside else table))
    answer = client.delete(f"{inside}/one/2")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST")


def test_what_is_damaged_takes_one_line(client: TestClient, said: Callable[[], str]) -> None:
    """No fault of the code's that a traceback would find."""
    assert client.get("/damaged").status_code == 500
    log = said()
    assert "request failed" in log and "blake3:12 is missing" in log and "Traceback" not in log
    assert len(log.splitlines()) == 1


def test_half_an_answer_is_broken_off_and_no_surprise(client: TestClient, said: Callable[[], str]) -> None:
    with suppress(Exception), client.stream("GET", "/half") as answer:
        assert answer.status_code == 200
        assert b"".join(answer.iter_raw()) == b"half of "
    log = said()
    assert "answer broken off" in log and "Traceback" not in log and "unexpected" not in log


def test_a_caller_who_leaves_is_no_error_of_ours(client: TestClient, said: Callable[[], str]) -> None:
    assert client.get("/waiting").status_code == 400
    assert "error" not in said()


def test_a_caller_cut_off_as_the_server_stops_may_come_again(
    client: TestClient, said: Callable[[], str]
) -> None:
    """It got 500 and a text, and the log a traceback."""
    answer = client.get("/cut_off")
    assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
    assert "Retry-After" in answer.headers
    assert "Traceback" not in said()


@pytest.mark.parametrize("path", ["/good", "/nowhere", "/broken", "/health/live"])
def test_every_answer_has_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert {name: headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


def _samples(client: TestClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    page = client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
    }


def test_requests_are_counted_by_pattern_exactly(client: TestClient) -> None:
    key = (
        "pacs_http_request_seconds_count",
        (("method", "GET"), ("route", "/good"), ("status", "200")),
    )
    before = _samples(client).get(key, 0)
    for _ in range(7):
        client.get("/good?patient=DOE")
    client.get("/DOE^JANE")
    after = _samples(client)
    assert after[key] - before == 7
    assert not any("DOE" in str(each) for each in after)


def test_requests_are_counted_under_the_first_name_of_what_answers(client: TestClient) -> None:
    client.get("/health/ready")
    routes = set(re.findall('route="(/[^"]*health[^"]*)"', client.get("/metrics").text))
    assert "/health/ready" in routes and not {"/health", "/api/v1/health/readiness"} & routes


def test_metrics_do_without_what_is_down(client: TestClient, world: World) -> None:
    assert _samples(client)["pacs_jobs", (("state", "waiting"),)] == 3
    world.down = True
    assert not any(name == "pacs_jobs" for name, _ in _samples(client))


@dataclass
class _Unhashable:
    """A class of resources whose values can be compared, so that its bound methods have no hash."""

    said: dict[str, str]

    def answer(self, request: Request) -> Response:
        return PlainTextResponse(self.said["word"])


def test_an_endpoint_need_not_be_hashable() -> None:
    app = create_app(
        checks={}, samples={}, routes=[Route("/unhashable", _Unhashable({"word": "good"}).answer)]
    )
    with TestClient(app) as client:
        assert client.get("/unhashable").text == "good"
        assert 'route="/unhashable"' in client.get("/metrics").text


def test_when_there_are_too_many_a_caller_is_told_when_to_come_back(client: TestClient) -> None:
    async def crowded(scope: Scope, receive: Receive, send: Send) -> None:
        await client.app({**scope, "state": {OVER_LIMIT: True}}, receive, send)

    late = TestClient(crowded)
    answer = late.get("/good")
    assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
    assert answer.headers["Retry-After"] and answer.headers["Connection"] == "close"
    assert answer.headers["X-Correlation-ID"] == answer.json()["correlation_id"]
    for path in ("/health", "/health/live", "/health/ready"):
        ready(late, path)
