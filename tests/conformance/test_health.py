"""The detailed health answer of a started server."""

from __future__ import annotations

import httpx

from tests.conformance.server import Server
from tests.waiting import eventually

DETAILED = "/api/v1/health/detailed"


def test_an_administrator_sees_how_each_part_is(server: Server) -> None:
    answers: list[httpx.Response] = []
    with server.web() as client:

        def healthy() -> bool:
            answers.append(client.get(DETAILED))
            return bool(answers[-1].json()["status"] == "healthy")

        eventually("it is told in time that all is well", healthy)
    assert answers[-1].status_code == 200
    checks = answers[-1].json()["checks"]
    assert set(checks) == {"database", "storage", "cache", "workers", "dimse", "models"}
    for name, check in checks.items():
        assert (check["status"], check["latency_ms"] >= 0) == ("ok", True), name
    assert checks["dimse"]["details"]["listens"] == server.environment["PACS_DIMSE"]


def test_nobody_else_does(server: Server) -> None:
    with server.web("manager") as client:
        assert client.get(DETAILED).status_code == 403
    assert httpx.get(server.url + DETAILED).status_code == 401
    assert "details" not in httpx.get(f"{server.url}/health/ready").text
