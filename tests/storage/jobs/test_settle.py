"""When a study is complete, and what comes after that."""

from __future__ import annotations

from datetime import timedelta

from pacs.jobs.job import ClaimedJob
from pacs.jobs.worker import Worker
from storage.database import Database
from storage.index import Entries
from storage.jobs.queue import SqlJobQueue, enqueue
from storage.jobs.settle import KIND, SettleStudy, settle_job
from tests.storage.received import received, uid
from tests.storage.world import events, opened, rows, store

NOW = timedelta(0)
LONG = timedelta(minutes=10)


def claimed(database: Database) -> ClaimedJob:
    """The study's job, due at once."""
    with database.write() as connection:
        enqueue(connection, settle_job(uid(1), NOW), 1, "abc")
        connection.exec_driver_sql("UPDATE jobs SET run_at = 0")
    job = SqlJobQueue(database).claim("w", LONG)
    assert job is not None
    return job


def settle(database: Database, quiet_period: timedelta) -> None:
    SettleStudy(database, quiet_period)(claimed(database))


def state(database: Database) -> tuple[str, str]:
    (study,) = rows(database, "SELECT state, flags FROM studies")
    return study["state"], study["flags"]


def first(entries: Entries) -> None:
    store(entries, received(instance=1))


def test_a_quiet_study_becomes_unread(database: Database) -> None:
    with opened(database) as entries:
        first(entries)
    settle(database, NOW)
    assert state(database) == ("unread", "")
    assert events(database) == ["study.received", "study.complete"]


def test_a_study_is_announced_once_whoever_dies_meanwhile(database: Database) -> None:
    """A job runs again when its worker dies behind it, or is frozen until another has taken it over."""
    with opened(database) as entries:
        first(entries)
    job, handler = claimed(database), SettleStudy(database, NOW)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE jobs SET lease_until = 0")
    taken_over = SqlJobQueue(database).claim("another", LONG)
    assert taken_over is not None
    for each in (job, taken_over, taken_over):
        handler(each)
    assert events(database) == ["study.received", "study.complete"]


def test_a_study_still_arriving_is_looked_at_again(database: Database) -> None:
    with opened(database) as entries:
        first(entries)
    settle(database, LONG)
    assert state(database) == ("receiving", "")
    (job,) = rows(database, "SELECT run_at FROM jobs")
    (study,) = rows(database, "SELECT last_received_at FROM studies")
    late = job["run_at"] - study["last_received_at"] - 600_000_000
    assert abs(late) < 60_000_000  # due by the database's clock, which need not be ours


def test_late_instances_reopen_an_unread_study(database: Database) -> None:
    with opened(database) as entries:
        first(entries)
        settle(database, NOW)
        store(entries, received(instance=2))
        store(entries, received(instance=3))
        assert state(database) == ("receiving", "new_images")
        assert events(database).count("study.late_images") == 1
        settle(database, NOW)
        assert state(database) == ("unread", "new_images")
        store(entries, received(instance=4))
        assert events(database).count("study.late_images") == 2


def test_late_instances_take_nothing_from_a_reader(database: Database) -> None:
    with opened(database) as entries:
        first(entries)
        with database.write() as connection:
            connection.exec_driver_sql("UPDATE studies SET state = 'reading'")
        store(entries, received(instance=2))
        store(entries, received(instance=3))
    assert state(database) == ("reading", "new_images")
    assert events(database).count("study.late_images") == 1
    settle(database, NOW)
    assert state(database) == ("reading", "new_images")


def test_a_duplicate_is_not_late(database: Database) -> None:
    with opened(database) as entries:
        first(entries)
        settle(database, NOW)
        first(entries)
    assert state(database) == ("unread", "")


def test_an_expected_study_begins_with_its_first_instance(database: Database) -> None:
    with opened(database) as entries:
        first(entries)
        with database.write() as connection:
            connection.exec_driver_sql("UPDATE studies SET state = 'expected'")
        store(entries, received(instance=2))
    assert state(database) == ("receiving", "")
    assert events(database) == ["study.received"] * 2


def test_the_worker_settles_through_the_queue(database: Database) -> None:
    with opened(database, quiet_period=NOW) as entries:
        first(entries)
    worker = Worker(SqlJobQueue(database), {KIND: SettleStudy(database, NOW)}, "w")
    assert worker.work()
    assert state(database) == ("unread", "")
    assert rows(database, "SELECT * FROM jobs") == []
