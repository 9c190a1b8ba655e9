"""The detailed health answer, as an administrator has it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.testclient import TestClient

from pacs.http import health
from pacs.http.app import create_app
from tests.waiting import eventually


def well() -> Mapping[str, Any]:
    return {"kind": "sqlite"}


def unwell() -> None:
    raise OSError("PatientName")


def told(vital: health.Check, other: health.Check, deadline: float = 60) -> tuple[int, Any]:
    app = create_app({}, {}, [health.detailed({"database": vital}, {"cache": other}, deadline)])
    answer = TestClient(app).get(health.DETAILED)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    ("vital", "other", "expected", "status"),
    [
        (well, well, 200, "healthy"),
        (well, unwell, 200, "degraded"),
        (unwell, well, 503, "unhealthy"),
        (unwell, unwell, 503, "unhealthy"),
    ],
)
def test_what_fails_says_how_bad_it_is(
    vital: health.Check, other: health.Check, expected: int, status: str
) -> None:
    code, body = told(vital, other)
    assert (code, body["status"]) == (expected, status)
    assert "PatientName" not in str(body)
    for name, check in (("database", vital), ("cache", other)):
        found = body["checks"][name]
        assert found.pop("latency_ms") >= 0
        if check is well:
            assert found == {"status": "ok", "details": {"kind": "sqlite"}}
        else:
            assert found == {"status": "failed", "reason": "OSError", "details": {}}


def test_a_check_that_hangs_has_no_latency() -> None:
    over = threading.Event()

    def hanging() -> None:
        over.wait(120)

    bodies: list[Any] = []

    def degraded() -> bool:
        bodies.append(told(well, hanging, 0.2)[1])
        return bool(bodies[-1]["status"] == "degraded")

    eventually("it is told in time that the database is well", degraded)
    over.set()
    assert bodies[-1]["checks"]["cache"] == {
        "status": "timeout",
        "reason": "no answer in time",
        "details": {},
        "latency_ms": None,
    }
