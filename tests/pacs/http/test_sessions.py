"""Sessions are asked for once a second, and at once in every process when one of them has ended; what they
allow."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from starlette.requests import HTTPConnection

from pacs.accounts import Session, SessionKind, User, new_session
from pacs.errors import CsrfMissing, TokenExpired, Unauthenticated
from pacs.http.authentication import Caller
from pacs.http.sessions import COOKIE, SessionEpoch, Sessions
from pacs.http.tokens import Tokens
from pacs.ports import Accounts

TOKENS = Tokens("0123456789abcdef0123456789abcdef")
SESSION = new_session(User(7, 1, "ann@example.test", "viewer"), SessionKind.LOGIN, timedelta(hours=1))


@dataclass
class Known:
    """Counts how often it is asked."""

    session_now: Session | None = SESSION
    asked: int = 0
    meanwhile: Callable[[], None] = field(default=lambda: None)

    def session(self, number: str) -> Session | None:
        found, self.asked = self.session_now, self.asked + 1
        self.meanwhile()
        return found


def connection(method: str = "GET", **headers: str) -> HTTPConnection:
    """With a bearer token, unless it has other `headers`."""
    given = headers or {"authorization": f"Bearer {TOKENS.issue(SESSION)}"}
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]
    state = {"correlation_id": "0123456789abcdef"}
    return HTTPConnection({"type": "http", "method": method, "headers": sent, "state": state})


def caller(sessions: Sessions, comes: HTTPConnection | None = None) -> Caller:
    async def asked() -> Caller:
        found = sessions(comes or connection())
        return await found if isinstance(found, Awaitable) else found

    return asyncio.run(asked())


@pytest.fixture
def never_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second passes, however slow the machine."""
    monkeypatch.setattr("pacs.http.sessions.CACHE_SECONDS", 1e6)


@pytest.mark.usefixtures("never_late")
def test_the_end_of_one_is_known_to_all_that_share_the_epoch() -> None:
    known, epoch = Known(), SessionEpoch()
    here, there = (Sessions(cast(Accounts, known), TOKENS, epoch) for _ in range(2))
    for each in (here, there, here, there):
        assert caller(each).actor.name == "ann@example.test"
    assert known.asked == 2
    known.session_now = None
    here.end()
    for each in (here, there):
        with pytest.raises(Unauthenticated):
            caller(each)


@pytest.mark.usefixtures("never_late")
def test_what_was_answered_while_it_ended_is_not_remembered() -> None:
    known = Known()
    sessions = Sessions(cast(Accounts, known), TOKENS)

    def it_ends_and_somebody_comes() -> None:
        sessions.end()
        asking = sessions(connection())
        assert isinstance(asking, Coroutine)
        asking.close()

    known.meanwhile = it_ends_and_somebody_comes
    caller(sessions)
    known.session_now, known.meanwhile = None, lambda: None
    with pytest.raises(Unauthenticated):
        caller(sessions)


def test_an_expired_session_ends_even_while_it_is_remembered() -> None:
    over = replace(SESSION, expires_at=datetime.now(UTC))
    with pytest.raises(TokenExpired):
        caller(Sessions(cast(Accounts, Known(over)), TOKENS))


def test_a_user_who_must_change_the_password_may_do_nothing_else() -> None:
    sessions = Sessions(cast(Accounts, Known()), TOKENS)
    assert caller(sessions).rights == SESSION.rights != frozenset()
    user = replace(SESSION.user, must_change_password=True)
    once = Sessions(cast(Accounts, Known(replace(SESSION, user=user))), TOKENS)
    assert caller(once).rights == frozenset()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_cookie_alone_changes_nothing(method: str) -> None:
    """A browser sends it along with what a foreign page asks for."""
    sessions = Sessions(cast(Accounts, Known()), TOKENS)
    cookie = f"{COOKIE}={TOKENS.issue(SESSION)}"
    caller(sessions, connection("GET", cookie=cookie))
    for wrong in ({}, {"x_csrf_token": ""}, {"x_csrf_token": TOKENS.csrf("another")}):
        with pytest.raises(CsrfMissing):
            caller(sessions, connection(method, cookie=cookie, **wrong))
    caller(sessions, connection(method, cookie=cookie, x_csrf_token=TOKENS.csrf(SESSION.id)))
    caller(sessions, connection(method))  # a bearer token, which no browser sends by itself


def test_processes_share_the_epoch() -> None:
    epoch = SessionEpoch()
    before = epoch.current
    if (child := os.fork()) == 0:
        epoch.advance()
        os._exit(0)
    os.waitpid(child, 0)
    assert epoch.current != before
