"""The audit trail is verified again and again, in pieces, by one node at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from pacs.jobs.job import ClaimedJob
from pacs.model import AuditRecord
from storage.audit import verify
from storage.database import Database
from storage.feeds import transaction
from storage.jobs.queue import SqlJobQueue
from storage.jobs.scheduled import VERIFY, VerifyAudit, begin, next_runs
from tests.storage.received import MODALITY
from tests.storage.world import actions, rows

DAY = timedelta(days=1)
LEASE = timedelta(minutes=1)


@pytest.fixture
def trail(database: Database) -> Database:
    for n in range(7):
        with transaction(database) as under_way:
            under_way.audit(AuditRecord(MODALITY, "store", "success", "1.2.3", {"n": n}))
    return database


def claimed(database: Database) -> ClaimedJob:
    job = SqlJobQueue(database).claim("node", LEASE)
    assert job is not None and job.kind == VERIFY
    return job


def turn(database: Database) -> ClaimedJob:
    """Done, three records at a time."""
    job = claimed(database)
    VerifyAudit(database, DAY, piece=3)(job)
    SqlJobQueue(database).complete(job)
    return job


def test_a_round_goes_on_where_it_was_and_comes_again(trail: Database) -> None:
    begin(trail, DAY)
    assert [turn(trail).payload.get("after", 0) for _ in range(3)] == [0, 3, 6]
    assert SqlJobQueue(trail).claim("node", LEASE) is None
    ((found),) = next_runs(trail)
    assert (found.kind, found.state) == (VERIFY, "waiting")
    assert found.run_at > datetime.now(UTC) + DAY / 2


def test_nodes_that_start_at_once_begin_one_round(trail: Database) -> None:
    for _ in range(3):
        begin(trail, DAY)
    job = claimed(trail)
    begin(trail, DAY)
    assert len(next_runs(trail)) == 1
    VerifyAudit(trail, DAY)(job)
    VerifyAudit(trail, DAY)(job)  # whose lease ran out meanwhile
    assert sorted(each.state for each in next_runs(trail)) == ["running", "waiting"]


def test_a_shorter_interval_counts_from_now(trail: Database) -> None:
    begin(trail, DAY)
    for _ in range(3):
        turn(trail)
    begin(trail, timedelta(seconds=5))
    assert next_runs(trail)[0].run_at <= datetime.now(UTC) + timedelta(seconds=5)


@pytest.mark.parametrize("record", [1, 3, 4, 7])
def test_what_was_altered_is_told_and_recorded(trail: Database, record: int) -> None:
    postgresql = trail.dialect == "postgresql"
    with trail.write() as connection:
        connection.execute(text("DROP TRIGGER audit_no_update" + (" ON audit" if postgresql else "")))
        connection.execute(text("UPDATE audit SET resource = 'x' WHERE seq = :seq"), {"seq": record})
    begin(trail, DAY)
    with capture_logs() as logged:
        while next_runs(trail)[0].run_at <= datetime.now(UTC):
            turn(trail)
    assert [each["record"] for each in logged if each["log_level"] == "error"] == [record]
    assert verify(trail, 1) == record
    assert actions(trail)[-1] == VERIFY
    assert rows(trail, "SELECT outcome FROM audit ORDER BY seq DESC LIMIT 1") == [{"outcome": "failure"}]
