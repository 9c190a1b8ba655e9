"""Group commit: shared by many, harmed by none, patient with a database that is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import pytest
from sqlalchemy import make_url, text

from pacs.errors import DatabaseUnavailable, StorageFull, Unavailable
from pacs.model import Outcome
from storage.commits import CommitLimits, Committer
from storage.database import Database
from storage.feeds import RetryTransaction, Transaction, transaction
from storage.index import open_entries
from tests.conftest import on_server
from tests.storage.received import received
from tests.storage.world import assert_counts_true, opened, rows, store
from tests.waiting import eventually


class Recorder:
    """Enters numbers; notes what came together. `gate` holds the committer up."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    @property
    def entries(self) -> list[int]:
        return [entry for batch in self.batches for entry in batch]

    def __call__(self, transaction: Transaction, batch: Sequence[int]) -> list[int]:
        self.entered.set()
        self.gate.wait(120)
        self.batches.append(list(batch))
        if 13 in batch:
            raise ValueError("13")
        return [number * 2 for number in batch]


def submitted(
    pool: ThreadPoolExecutor, committer: Committer[int, int], recorder: Recorder, numbers: Sequence[int]
) -> list[Future[int]]:
    """The first number is being entered, behind the closed gate, and all others wait."""
    first, *others = numbers
    answers = [pool.submit(committer.submit, first)]
    assert recorder.entered.wait(60)
    answers += [pool.submit(committer.submit, number) for number in others]
    eventually("all others wait", lambda: committer._queue.qsize() == len(others))
    return answers


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Database]:
    database = Database(sqlite_url)
    yield database
    database.close()


def test_what_waits_is_committed_together(sqlite: Database) -> None:
    recorder = Recorder()
    committer = Committer(sqlite, recorder, CommitLimits(batch=4))
    recorder.gate.clear()
    with ThreadPoolExecutor(9) as pool:
        answers = submitted(pool, committer, recorder, range(9))
        recorder.gate.set()
        assert [answer.result() for answer in answers] == [n * 2 for n in range(9)]
    assert sorted(len(batch) for batch in recorder.batches) == [1, 4, 4]
    committer.close()


def test_the_fault_of_one_is_not_its_neighbours(sqlite: Database) -> None:
    recorder = Recorder()
    committer = Committer(sqlite, recorder)
    recorder.gate.clear()
    with ThreadPoolExecutor(4) as pool:
        answers = submitted(pool, committer, recorder, (11, 12, 13, 14))
        recorder.gate.set()
        assert [answers[i].result() for i in (0, 1, 3)] == [22, 24, 28]
        with pytest.raises(ValueError, match="13"):
            answers[2].result()
    committer.close()


def test_whatever_ends_the_leading_thread_nobody_waits_for_it_for_ever(sqlite: Database) -> None:
    recorder = Recorder()

    def enter(transaction: Transaction, batch: Sequence[int]) -> list[int]:
        if 99 in batch:
            raise SystemExit
        return recorder(transaction, batch)

    committer = Committer(sqlite, enter)
    recorder.gate.clear()
    with ThreadPoolExecutor(4) as pool:
        answers = submitted(pool, committer, recorder, (1, 2, 99, 3))
        recorder.gate.set()
        ends = [type(answer.exception(60)) for answer in answers]
    assert ends[0] is type(None)
    assert sorted(end.__name__ for end in ends[1:]) == ["DatabaseUnavailable"] * 2 + ["SystemExit"]
    assert committer.submit(4) == 8
    committer.close()


def test_begin_again_fails_the_named_and_repeats_the_others(sqlite: Database) -> None:
    calls: list[list[object]] = []

    def enter(transaction: Transaction, batch: Sequence[object]) -> list[object]:
        calls.append(list(batch))
        if len(calls) == 1:
            raise RetryTransaction({id(batch[0]): StorageFull()})
        return list(batch)

    committer = Committer(sqlite, enter)
    with pytest.raises(StorageFull):
        committer.submit(object())
    assert committer.submit("x") == "x"
    committer.close()


def test_closing_commits_what_waits_and_refuses_what_comes(sqlite: Database) -> None:
    entries = open_entries(sqlite, lambda _: [])
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(store, entries, received(instance=n)) for n in range(8)]
        assert {answer.result().outcome for answer in answers} == {Outcome.CREATED}
    entries.close()
    entries.close()
    with pytest.raises(DatabaseUnavailable):
        store(entries, received())
    assert_counts_true(sqlite)


def test_an_entry_that_comes_after_the_close_is_refused(sqlite: Database) -> None:
    committer = Committer(sqlite, Recorder())
    committer.close()
    committer._closing = False  # what the late one saw
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(committer.submit, 1)
        with pytest.raises(DatabaseUnavailable):
            answer.result(60)


def test_a_full_database_says_so_and_recovers(sqlite_url: str, sqlite: Database) -> None:
    with opened(sqlite) as entries:
        store(entries, received())
        pages = rows(sqlite, "PRAGMA page_count")[0]["page_count"]
        with sqlite.write() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StorageFull):
            for n in range(2, 500):
                store(entries, received(instance=n))
        with sqlite.write() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1000000000")
        store(entries, received(instance=1000))
    assert_counts_true(sqlite)


def _cut_off(server: str, url: str, *, away: bool) -> None:
    name = make_url(url).database
    on_server(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS {'false' if away else 'true'}")
    if away:
        on_server(server, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


def test_a_database_that_comes_back_loses_nothing(postgresql_server: str, postgresql_url: str) -> None:
    database, patient = Database(postgresql_url), CommitLimits(patience=120)
    with closing(open_entries(database, lambda _: [], patient)) as entries, ThreadPoolExecutor(4) as pool:
        store(entries, received())
        _cut_off(postgresql_server, postgresql_url, away=True)
        answers = [pool.submit(store, entries, received(instance=n)) for n in range(2, 12)]
        time.sleep(1)
        assert not any(answer.done() for answer in answers)
        _cut_off(postgresql_server, postgresql_url, away=False)
        assert {answer.result().outcome for answer in answers} == {Outcome.CREATED}
    assert_counts_true(database)
    database.close()


def test_a_database_that_stays_away_is_said_to(postgresql_server: str, postgresql_url: str) -> None:
    database = Database(postgresql_url)
    entries = open_entries(database, lambda _: [], CommitLimits(patience=0.5))
    _cut_off(postgresql_server, postgresql_url, away=True)
    with pytest.raises(DatabaseUnavailable):
        store(entries, received())
    _cut_off(postgresql_server, postgresql_url, away=False)

    def stored() -> bool:
        with suppress(DatabaseUnavailable):  # a busy machine may need longer than its patience
            return store(entries, received()).outcome is Outcome.CREATED
        return False

    eventually("it is stored", stored)
    entries.close()
    database.close()


def test_a_commit_whose_answer_was_lost_counts_once(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage import commits

    lost: list[bool] = []

    class Losing:
        """Commits, and then says that it did not."""

        def __init__(self, database: Database) -> None:
            self._real = transaction(database)

        def __enter__(self) -> Transaction:
            return self._real.__enter__()

        def __exit__(self, *exc: Any) -> None:
            self._real.__exit__(*exc)
            if not lost:
                lost.append(True)
                raise DatabaseUnavailable

    monkeypatch.setattr(commits, "transaction", Losing)
    with opened(sqlite) as entries:
        store(entries, received())
    assert_counts_true(sqlite)
    assert rows(sqlite, "SELECT number_of_study_related_instances AS n FROM studies") == [{"n": 1}]


def test_errors_name_no_values(database: Database) -> None:
    with pytest.raises(Exception) as caught, database.write() as connection:
        connection.execute(text("INSERT INTO patients (nonsense) VALUES (:v)"), {"v": "Doe^Jane"})
    assert "Doe" not in str(caught.value)


def test_what_is_deferred_is_committed_soon_and_before_the_end(sqlite: Database) -> None:
    recorder = Recorder()
    committer = Committer(sqlite, recorder)
    committer.defer(1)
    eventually("it is committed", lambda: recorder.entries == [1])
    committer.defer(2)
    committer.close()
    assert recorder.entries == [1, 2]
    with pytest.raises(DatabaseUnavailable):
        committer.defer(3)


def test_closing_commits_more_than_fits_into_one_transaction(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    committer = Committer(sqlite, recorder, CommitLimits(batch=2))
    monkeypatch.setattr(threading.Thread, "start", no_thread)  # so that all wait for the end
    for number in range(5):
        committer.defer(number)
    committer.close()
    assert recorder.batches == [[0, 1], [2, 3], [4]]


class Full:
    """Enters nothing until there is `room`."""

    def __init__(self, error: type[Unavailable] = StorageFull) -> None:
        self.error = error
        self.room = False
        self.tried = threading.Event()
        self.entered: list[int] = []

    def __call__(self, transaction: Transaction, batch: Sequence[int]) -> list[int]:
        self.tried.set()
        if not self.room:
            raise self.error
        self.entered += batch
        return list(batch)


@pytest.mark.parametrize("error", [StorageFull, DatabaseUnavailable])
def test_what_is_deferred_waits_for_room(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch, error: type[Unavailable]
) -> None:
    """For longer than a sender would."""
    monkeypatch.setattr("storage.commits.LONGEST_PAUSE", 0.01)
    disk = Full(error)
    committer = Committer(sqlite, disk, CommitLimits(patience=0.01))
    committer.defer(1)
    assert disk.tried.wait(60)
    with pytest.raises(error):
        committer.submit(2)
    disk.room = True
    eventually("it is committed", lambda: disk.entered == [1])
    committer.close()


def test_the_end_does_not_wait_for_room(sqlite: Database, said: Callable[[], str]) -> None:
    disk = Full()
    committer = Committer(sqlite, disk)
    committer.defer(1)
    assert disk.tried.wait(60)
    committer.close()
    assert "a deferred entry is lost" in said()


def test_what_is_deferred_goes_with_what_is_submitted(sqlite: Database) -> None:
    recorder = Recorder()
    committer = Committer(sqlite, recorder)
    committer.defer(1)
    committer.submit(2)
    assert recorder.entries == [1, 2]
    committer.close()


def test_what_is_deferred_when_no_thread_can_be_had_goes_with_what_comes_next(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that could not be started was taken for one that runs, and nothing was written any more."""
    recorder = Recorder()
    committer = Committer(sqlite, recorder)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        committer.defer(1)
    committer.defer(2)
    eventually("both are committed, together or not", lambda: recorder.entries == [1, 2])
    committer.close()


def no_thread(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")
