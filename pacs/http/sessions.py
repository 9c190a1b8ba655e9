"""Authentication by token: a bearer token, or a browser session's cookie.

A session is looked up in the database at most once a second, so that frames are served fast. Signing
out takes effect at once in all processes of this node (`SessionEpoch`); anything else that ends a session
(`pacs user disable`, another node) takes effect within that second.
"""

from __future__ import annotations

import hmac
import mmap
import os
import time
from collections.abc import Awaitable
from datetime import UTC, datetime

from starlette.requests import HTTPConnection

from pacs.accounts import Session
from pacs.actor import Actor
from pacs.errors import CsrfMissing, TokenExpired, Unauthenticated
from pacs.http.authentication import Caller, peer_address
from pacs.http.threads import REQUESTS
from pacs.http.tokens import Tokens
from pacs.ports import Accounts
from pacs.rights import Right

COOKIE = "pacs_session"
CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CACHE_SECONDS = 1.0
_CACHED = 1000
_SIZE = 8  # bytes


class SessionEpoch:
    """A value in memory that forked processes share; a new one whenever a session ends, never an earlier one.

    It does not say which session, so every process then looks all of its cached sessions up again.
    """

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, _SIZE)

    @property
    def current(self) -> bytes:
        return self._shared[:_SIZE]

    def advance(self) -> None:
        self._shared[:_SIZE] = os.urandom(_SIZE)


class Sessions:
    """An `Authenticate`."""

    def __init__(self, accounts: Accounts, tokens: Tokens, epoch: SessionEpoch | None = None) -> None:
        self.accounts = accounts
        self.tokens = tokens
        self._epoch = epoch or SessionEpoch()
        self._seen_epoch = self._epoch.current
        self._cache: dict[str, tuple[float, Session]] = {}
        """By token; valid sessions only, so that strangers cannot fill it."""

    def __call__(self, connection: HTTPConnection) -> Caller | Awaitable[Caller]:
        token, by_cookie = _token(connection)
        if self._seen_epoch != (epoch := self._epoch.current):
            self._seen_epoch, self._cache = epoch, {}
        until, session = self._cache.get(token, (0.0, None))
        if session is None or until <= time.monotonic():
            return self._looked_up(connection, token, by_cookie)
        return self._caller(connection, session, by_cookie)

    def end(self) -> None:
        """A session was ended here: invalidate the caches of all processes at once."""
        self._epoch.advance()

    async def _looked_up(self, connection: HTTPConnection, token: str, by_cookie: bool) -> Caller:
        number = self.tokens.session_number(token)
        asked, epoch = time.monotonic(), self._epoch.current
        session = await REQUESTS.run(self.accounts.session, number)
        if session is None:
            self._cache.pop(token, None)
            raise Unauthenticated
        if len(self._cache) >= _CACHED:
            self._cache = {}
        if epoch == self._epoch.current:  # else it may have ended during the lookup
            self._cache[token] = (asked + CACHE_SECONDS, session)
        return self._caller(connection, session, by_cookie)

    def _caller(self, connection: HTTPConnection, session: Session, by_cookie: bool) -> Caller:
        if session.expires_at <= datetime.now(UTC):
            raise TokenExpired
        if by_cookie and connection.scope["method"] not in SAFE_METHODS:
            self._check_csrf(connection, session)
        user = session.user
        number = connection.scope["state"]["correlation_id"]
        actor = Actor(user.organization, "user", user.email, peer_address(connection), number)
        rights = frozenset[Right]() if user.must_change_password else session.rights
        return Caller(actor, rights, session)

    def _check_csrf(self, connection: HTTPConnection, session: Session) -> None:
        given = connection.headers.get(CSRF_HEADER, "").encode()
        if not hmac.compare_digest(given, self.tokens.csrf(session.id).encode()):
            raise CsrfMissing


def _token(connection: HTTPConnection) -> tuple[str, bool]:
    """The token, and whether a browser sent it by itself. `Unauthenticated` when there is none."""
    given = connection.headers.get("authorization")
    if given is not None:
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated
        return token.strip(), False
    token = connection.cookies.get(COOKIE, "")
    if not token:
        raise Unauthenticated
    return token, True
