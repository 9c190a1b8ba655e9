"""Many senders at once: one row each, true counts, no error that a sender sees."""

from __future__ import annotations

import multiprocessing
import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text, update

from pacs.model import Outcome, Received
from storage.audit import verify
from storage.database import Database
from storage.tables import TALLIES, metadata, org_heads
from tests.storage.received import received
from tests.storage.world import assert_counts_true, opened, rows, store

SENDERS = 4
spawn = multiprocessing.get_context("spawn")


def send_at_once(url: str, parts: Sequence[Sequence[Received]]) -> list[Outcome]:
    """Each part by a sender of its own, through a committer of its own, as separate processes would."""
    start = threading.Barrier(len(parts))

    def sender(part: Sequence[Received]) -> list[Outcome]:
        database = Database(url)
        try:
            with opened(database) as entries:
                start.wait()
                return [store(entries, item).outcome for item in part]
        finally:
            database.close()

    with ThreadPoolExecutor(len(parts)) as pool:
        return [outcome for outcomes in pool.map(sender, parts) for outcome in outcomes]


def assert_feeds_whole(database: Database) -> None:
    assert verify(database, 1) is None
    numbers = [row["seq"] for row in rows(database, "SELECT seq FROM changes ORDER BY seq")]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("round_", range(3))
def test_four_associations_with_one_new_study(database_url: str, database: Database, round_: int) -> None:
    parts = [[received(instance=n * SENDERS + k) for n in range(8)] for k in range(SENDERS)]
    assert set(send_at_once(database_url, parts)) == {Outcome.CREATED}
    (study,) = rows(database, "SELECT * FROM studies")
    assert study["number_of_study_related_instances"] == 8 * SENDERS
    assert_counts_true(database)
    assert_feeds_whole(database)


def test_four_associations_with_one_new_patient(database_url: str, database: Database) -> None:
    parts = [[received(study=k, instance=n, PatientID="X") for n in range(4)] for k in range(SENDERS)]
    send_at_once(database_url, parts)
    (patient,) = rows(database, "SELECT * FROM patients")
    assert patient["number_of_patient_related_studies"] == SENDERS
    assert_counts_true(database)


def test_four_associations_with_the_same_instance(database_url: str, database: Database) -> None:
    outcomes = send_at_once(database_url, [[received()]] * SENDERS)
    assert sorted(o.value for o in outcomes) == ["created"] + ["duplicate"] * (SENDERS - 1)
    assert_counts_true(database)


def test_four_associations_that_disagree_on_the_patient(database_url: str, database: Database) -> None:
    send_at_once(database_url, [[received(instance=k, PatientID=f"X{k}")] for k in range(SENDERS)])
    (study,) = rows(database, "SELECT * FROM studies")
    assert study["flags"] == "patient_conflict"
    assert len(rows(database, "SELECT * FROM patients")) == 1
    assert_counts_true(database)


def test_patients_and_studies_crossed_do_not_deadlock(database_url: str, database: Database) -> None:
    def crossed(seed: int) -> list[Received]:
        chosen = random.Random(seed)
        return [
            received(study=chosen.randrange(6), series=chosen.randrange(2), instance=seed * 100 + n)
            for n in range(25)
        ]

    send_at_once(database_url, [crossed(seed) for seed in range(SENDERS)])
    assert_counts_true(database)
    assert_feeds_whole(database)


OBJECTS = st.builds(
    lambda study, series, instance, content, patient, modality: received(
        study=study,
        series=series,
        sop=f"1.9.{instance}",
        content=str(content),
        PatientID=patient,
        Modality=modality,
        size=100 + content,
    ),
    *(st.integers(1, top) for top in (2, 2, 4, 2)),
    st.sampled_from(["", "A", "B"]),
    st.sampled_from(["CT", "MR", ""]),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.lists(OBJECTS, max_size=8), min_size=SENDERS, max_size=SENDERS))
def test_any_interleaving_leaves_true_counts(database_url: str, parts: list[list[Received]]) -> None:
    database = Database(database_url)
    _empty(database)
    send_at_once(database_url, parts)
    assert_counts_true(database)
    assert_feeds_whole(database)
    database.close()


def _empty(database: Database) -> None:
    kept = ("organizations", "org_heads", "audit")  # nothing deletes audit records, nor does this
    with database.write() as connection:
        for table in reversed(metadata.sorted_tables):
            if table.name not in kept:
                connection.execute(text(f"DELETE FROM {table.name}"))
        connection.execute(update(org_heads).values(change_seq=0, **dict.fromkeys(TALLIES, 0)))


def _process(url: str, sender: int, instances: int) -> None:
    database = Database(url)
    with opened(database) as entries, ThreadPoolExecutor(2) as pool:
        items = [received(instance=n * 10 + sender) for n in range(instances)]
        list(pool.map(lambda item: store(entries, item), items))
    database.close()


def test_two_processes_on_one_database(database_url: str, database: Database) -> None:
    processes = [spawn.Process(target=_process, args=(database_url, k, 40)) for k in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(240)
        assert process.exitcode == 0
    (study,) = rows(database, "SELECT * FROM studies")
    assert study["number_of_study_related_instances"] == 80
    assert_counts_true(database)
    assert_feeds_whole(database)
