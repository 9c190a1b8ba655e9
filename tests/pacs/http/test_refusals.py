"""Refusals are all counted, and few are written."""

from __future__ import annotations

from typing import Any

from structlog.testing import capture_logs

from pacs.actor import DEFAULT_ORGANIZATION, Actor
from pacs.errors import DatabaseUnavailable
from pacs.http.refusals import MAX_CALLERS, WINDOW, Refusals
from pacs.model import AuditRecord


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def caller(address: str, name: str = "") -> Actor:
    return Actor(DEFAULT_ORGANIZATION, "user", name, address, "id")


def told(records: list[AuditRecord | None]) -> list[dict[str, Any]]:
    return [dict(record.details) for record in records if record]


def test_the_first_is_told_and_the_others_are_counted() -> None:
    clock = Clock()
    refusals = Refusals(lambda record: None, clock)
    assert told([refusals.note(caller("a"), 401) for _ in range(10)]) == [{"status": 401}]
    assert told([refusals.note(caller("b"), 401), refusals.note(caller("a"), 403)]) == [
        {"status": 401},
        {"status": 403},
    ]
    clock.now += WINDOW
    assert told([refusals.note(caller("a"), 401)]) == [{"status": 401, "unsaid_before": 9}]


def test_many_callers_are_no_flood_and_lose_no_count() -> None:
    clock = Clock()
    refusals = Refusals(lambda record: None, clock)
    written = told([refusals.note(caller(str(n)), 401) for n in range(10_000)])
    assert len(written) == MAX_CALLERS + 1
    clock.now += WINDOW
    (after,) = told([refusals.note(caller("x"), 401)])
    assert len(written) + after["unsaid_before"] == 10_000


def test_a_refusal_stands_though_nobody_can_write_it() -> None:
    def away(record: AuditRecord) -> None:
        raise DatabaseUnavailable

    refusals = Refusals(away)
    record = refusals.note(caller("a"), 401)
    assert record is not None
    refusals.write(record)


def test_what_is_audited_is_a_security_event_too() -> None:
    refusals = Refusals(lambda record: None)
    with capture_logs() as lines:
        for _ in range(3):
            if record := refusals.note(caller("10.0.0.9", "ann"), 403):
                refusals.write(record)
    (line,) = lines
    assert line == {
        "event": "request refused",
        "log_level": "warning",
        "status": 403,
        "user": "ann",
        "address": "10.0.0.9",
    }
