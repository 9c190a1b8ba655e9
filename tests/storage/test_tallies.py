"""What an organisation's head counts is what counting the rows gives, whoever changes them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from pacs.actor import Actor
from pacs.attributes import Level
from pacs.errors import PacsError
from pacs.search.query import Query
from pacs.study_management import Amendment, Expected
from pacs.study_states import State
from storage import statements
from storage.database import Database
from storage.migrations import downgrade, upgrade
from storage.search import pages as search
from storage.study_management.studies import SqlStudyManagement
from storage.tables import TALLIES
from storage.upkeep.tallies import mistallied, retally
from tests.storage.bulk import add_organization
from tests.storage.received import received, uid
from tests.storage.world import assert_counts_true, opened, rows, store

USER = Actor(1, "user", "admin@example.org", "127.0.0.1", "abc")
OTHER = Actor(2, "user", "somebody@example.org", "127.0.0.1", "abc")


def tallied(database: Database, organization: int = 1) -> list[int]:
    """Patients, studies, announced studies, series, instances."""
    (head,) = rows(database, f"SELECT * FROM org_heads WHERE org_id = {organization}")
    return [head[name] for name in TALLIES]


def listed(database: Database, *, expected: bool) -> int | None:
    return search.page(database, 1, Query(Level.STUDY, limit=1, expected=expected)).total


def announced(number: int, patient: str = "") -> Expected:
    return Expected(uid(number), {"PatientID": patient} if patient else {})


def test_a_study_from_its_announcement_to_its_end(database: Database) -> None:
    management = SqlStudyManagement(database)
    for number in (1, 2, 3):
        management.expect(USER, announced(number))
    assert tallied(database) == [3, 3, 3, 0, 0]
    assert (listed(database, expected=True), listed(database, expected=False)) == (3, 0)
    with opened(database) as entries:
        store(entries, received(1, 1, 1, PatientID="A"))  # takes it over from the patient without an ID
        store(entries, received(1, 2, 1, PatientID="A"))
        store(entries, received(1, 2, 1, PatientID="A"))
        store(entries, received(1, 2, 1, PatientID="A", content="another version"))
    assert tallied(database) == [3, 3, 2, 2, 2]
    management.amend(USER, uid(2), Amendment(state=State.CANCELLED))
    assert tallied(database) == [3, 3, 2, 2, 2]  # without any image, it was only ever announced
    assert (listed(database, expected=True), listed(database, expected=False)) == (3, 1)
    management.delete(USER, uid(3), None, "a mistake")
    management.delete(USER, uid(1), uid(1, 2, 1), "blurred")
    assert tallied(database) == [2, 2, 1, 1, 1]
    management.delete(USER, uid(1), None, "wrong patient")
    assert tallied(database) == [1, 1, 1, 0, 0]
    assert_counts_true(database)


def test_what_fails_is_not_counted(database: Database) -> None:
    management = SqlStudyManagement(database)
    management.expect(USER, announced(1, "A"))
    with pytest.raises(PacsError):
        management.expect(USER, announced(1, "B"))
    assert tallied(database) == [1, 1, 1, 0, 0]


def test_each_organisation_counts_its_own(database: Database) -> None:
    with database.write() as connection:
        add_organization(connection, 2)
    with opened(database) as entries:
        for actor in (USER, OTHER, OTHER):
            store(entries, received(1, 1, 1, actor=actor))
        store(entries, received(2, 1, 1, actor=OTHER))
    assert (tallied(database, 1), tallied(database, 2)) == ([1, 1, 0, 1, 1], [2, 2, 0, 2, 2])
    assert search.page(database, 2, Query(Level.IMAGE, limit=1)).total == 2


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["store", "store", "store", "expect", "delete", "delete one", "cancel"]),
        st.integers(1, 3),
        st.integers(1, 2),
        st.sampled_from(["", "A", "B"]),
    ),
    max_size=10,
)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(STEPS, min_size=4, max_size=4))
def test_four_at_once(database_url: str, parts: list[list[tuple[str, int, int, str]]]) -> None:
    """Storing, announcing, cancelling and deleting the same few studies, each by a database of its own."""
    start = threading.Barrier(len(parts))

    def take(part: list[tuple[str, int, int, str]]) -> None:
        database = Database(database_url)
        with opened(database) as entries:
            start.wait()
            management = SqlStudyManagement(database)
            ways: dict[str, Callable[[int, int, str], Any]] = {
                "store": lambda n, k, who: store(entries, received(n, 1, k, PatientID=who)),
                "expect": lambda n, _, who: management.expect(USER, announced(n, who)),
                "delete": lambda n, *_: management.delete(USER, uid(n), None, "test"),
                "delete one": lambda n, k, _: management.delete(USER, uid(n), uid(n, 1, k), "test"),
                "cancel": lambda n, *_: management.amend(USER, uid(n), Amendment(state=State.CANCELLED)),
            }
            for what, number, instance, who in part:
                try:
                    ways[what](number, instance, who)
                except PacsError:
                    continue  # there is none, or there is one already
        database.close()

    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(take, parts))
    database = Database(database_url)
    assert_counts_true(database)
    database.close()


def test_new_studies_by_four_at_once(database_url: str, database: Database) -> None:
    def sender(number: int) -> None:
        with opened(database) as entries:
            for study in range(10):
                store(entries, received(10 * number + study, 1, 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(sender, range(4)))
    assert tallied(database)[1:] == [40, 0, 40, 40]
    assert_counts_true(database)


def test_an_image_of_a_known_study_costs_no_statement_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tallies are read and moved by the statements that read and move the head."""
    compiled, sent = statements._compiled, dict[str, None]()

    def noting(*arguments: Any) -> Any:
        found = compiled(*arguments)
        sent[found.text] = None
        return found

    with opened(database) as entries:
        store(entries, received(1, 1, 1))
        monkeypatch.setattr(statements, "_compiled", noting)
        store(entries, received(1, 1, 2))
    assert [one.split()[0] for one in sent if "org_heads" in one] == ["SELECT", "UPDATE"]
    assert not any("count(" in one for one in sent)


def test_the_migration_counts_what_is_there(database_url: str) -> None:
    database = Database(database_url)
    with database.write() as connection:
        add_organization(connection, 2)
    with opened(database) as entries:
        store(entries, received(1, 1, 1))
        store(entries, received(1, 1, 2))
        store(entries, received(7, 1, 1, actor=OTHER))
    SqlStudyManagement(database).expect(USER, announced(2))
    database.close()
    downgrade(database_url, "0010")
    upgrade(database_url)
    database = Database(database_url)
    assert (tallied(database, 1), tallied(database, 2)) == ([2, 2, 1, 1, 2], [1, 1, 0, 1, 1])
    database.close()


@pytest.mark.parametrize("name", TALLIES)
def test_a_wrong_tally_is_found_and_corrected(database: Database, name: str) -> None:
    with opened(database) as entries:
        store(entries, received(1, 1, 1))
    SqlStudyManagement(database).expect(USER, announced(2))
    assert list(mistallied(database)) == [] and retally(database) == 0
    before = tallied(database)
    with database.write() as connection:
        connection.execute(text(f"UPDATE org_heads SET {name} = {name} + 7"))
    (found,) = mistallied(database)
    right = before[TALLIES.index(name)]
    assert (found.organization, found.column, found.kept, found.counted) == (1, name, right + 7, right)
    assert retally(database) == 1
    assert tallied(database) == before
