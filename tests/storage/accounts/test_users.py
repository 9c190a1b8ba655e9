"""Users, sessions and counted sign-ins, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from pacs.accounts import FAILURE_WINDOW, MAX_FAILURES, Session, SessionKind, User, new_session
from pacs.actor import DEFAULT_ORGANIZATION, system_actor
from pacs.errors import Conflict, NotFound
from storage.accounts.users import NewUser, SqlAccounts
from storage.database import Database
from storage.tables import sign_in_attempts
from tests.storage.clocks import SLOW_AND_FAST, set_wrong

WHO = system_actor("tests")
ANN = NewUser(DEFAULT_ORGANIZATION, "ann@example.test", "viewer", "hash")


@pytest.fixture
def accounts(database: Database) -> SqlAccounts:
    return SqlAccounts(database)


def opened(accounts: SqlAccounts, user: User) -> Session:
    session = new_session(user, SessionKind.LOGIN, timedelta(hours=1))
    accounts.open_session(WHO, session)
    return session


def test_a_user_is_added_found_and_unique(accounts: SqlAccounts) -> None:
    user = accounts.add(WHO, ANN)
    found = accounts.credentials("ann@example.test")
    assert found is not None and (found.user, found.password_hash) == (user, "hash")
    assert accounts.credentials("bob@example.test") is None
    with pytest.raises(Conflict):
        accounts.add(WHO, replace(ANN, role="admin"))
    assert accounts.all() == [user]


def test_there_is_one_first_user(accounts: SqlAccounts) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: accounts.add_first(WHO, ANN), range(4)))
    assert sorted(made) == [False, False, False, True]


def test_a_session_lives_until_it_is_ended(accounts: SqlAccounts) -> None:
    user = accounts.add(WHO, ANN)
    one, two = opened(accounts, user), opened(accounts, user)
    found = accounts.session(one.id)
    assert found is not None
    assert found == replace(one, organization_code="default", expires_at=found.expires_at)
    assert abs(found.expires_at - one.expires_at) < timedelta(minutes=5)  # a busy machine is no fault
    accounts.end_session(WHO, one.id)
    assert accounts.session(one.id) is None
    assert accounts.session(two.id) is not None
    assert accounts.session("unknown") is None


@SLOW_AND_FAST
def test_a_session_ends_by_the_clock_of_all_nodes(
    accounts: SqlAccounts, monkeypatch: pytest.MonkeyPatch, wrong: timedelta
) -> None:
    """Opened on one whose clock is wrong, or asked for there, it lasts as long."""
    user = accounts.add(WHO, ANN)
    modules = "pacs.accounts", "storage.accounts.sessions", "storage.feeds"
    for opened_there, asked_there in ((True, False), (False, True)):
        with monkeypatch.context() as there:
            if opened_there:
                set_wrong(there, wrong, *modules)
            session = opened(accounts, user)
        with monkeypatch.context() as there:
            clock = set_wrong(there, wrong, *modules) if asked_there else datetime
            found = accounts.session(session.id)
            assert found is not None
            assert timedelta(minutes=50) < found.expires_at - clock.now(UTC) <= timedelta(hours=1)


def test_a_new_password_ends_the_other_sessions(accounts: SqlAccounts) -> None:
    user = accounts.add(WHO, replace(ANN, must_change_password=True))
    kept, other = opened(accounts, user), opened(accounts, user)
    accounts.set_password(WHO, user.id, "new", kept.id)
    found = accounts.session(kept.id)
    assert found is not None and not found.user.must_change_password
    assert accounts.session(other.id) is None


def test_disabling_ends_all_and_needs_somebody(accounts: SqlAccounts) -> None:
    user = accounts.add(WHO, ANN)
    session = opened(accounts, user)
    accounts.disable(WHO, ANN.email)
    assert accounts.session(session.id) is None
    late = opened(accounts, user)  # by who signed in at the same moment
    assert accounts.session(late.id) is None
    found = accounts.credentials(ANN.email)
    assert found is not None and not found.user.active
    with pytest.raises(NotFound):
        accounts.disable(WHO, "bob@example.test")
    accounts.enable(WHO, ANN.email)
    assert accounts.session(session.id) is None, "what ended stays ended"


def test_many_attempts_at_once_are_all_counted(accounts: SqlAccounts) -> None:
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda _: accounts.attempt("a@b.c", "192.0.2.1").count, range(20)))
    assert sorted(counts)[:MAX_FAILURES] == list(range(1, MAX_FAILURES + 1))
    assert sum(1 for count in counts if count <= MAX_FAILURES) == MAX_FAILURES
    assert accounts.attempt("a@b.c", "192.0.2.2").count == 1
    accounts.forgive("a@b.c", "192.0.2.1")
    assert accounts.attempt("a@b.c", "192.0.2.1").count == 1


def test_a_clock_that_was_set_back_locks_nobody_out(accounts: SqlAccounts, database: Database) -> None:
    for _ in range(MAX_FAILURES + 1):
        accounts.attempt("a@b.c", "192.0.2.1")
    with database.write() as connection:
        connection.execute(update(sign_in_attempts).values(since=datetime.now(UTC) + timedelta(days=1)))
    assert [accounts.attempt("a@b.c", "192.0.2.1").count for _ in range(2)] == [1, 2]


def test_attempts_are_forgotten_after_a_while(accounts: SqlAccounts, database: Database) -> None:
    for _ in range(MAX_FAILURES):
        last = accounts.attempt("a@b.c", "192.0.2.1")
    assert last.retry_after(datetime.now(UTC)) == 0
    refused = accounts.attempt("a@b.c", "192.0.2.1").retry_after(datetime.now(UTC))
    assert 0 < refused <= FAILURE_WINDOW.total_seconds()
    with database.write() as connection:
        passed = datetime.now(UTC) - FAILURE_WINDOW - timedelta(seconds=1)  # SQLite's clock has milliseconds
        connection.execute(update(sign_in_attempts).values(since=passed))
    assert accounts.attempt("a@b.c", "192.0.2.1").count == 1
