"""Users and their sessions.

A token is valid as long as its session's row is: ending the session ends the token on every node. An
e-mail address names one user in the whole installation, and a user belongs to one organisation.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import ceil

from pacs.errors import BadInput
from pacs.rights import ROLES, Right

FIRST_ADMINISTRATOR = "admin@localhost"
MAX_EMAIL = 254  # characters (RFC 5321)
SESSION_ID_BYTES = 16
MAX_SESSION = timedelta(days=3650)

MAX_FAILURES, FAILURE_WINDOW = 5, timedelta(minutes=15)
"""How many sign-ins may fail from one address for one account, and within which time."""

_EMAIL = re.compile(r"[^\s@<>\"\\]{1,64}@[A-Za-z0-9.-]{1,189}")


def email_address(text: str) -> str:
    """The address in lower case, as it is stored and compared. `BadInput` when it is not an address."""
    if not _EMAIL.fullmatch(text):
        raise BadInput("that is not an e-mail address, such as ann@hospital.example")
    return text.lower()


def known_role(text: str) -> str:
    if text not in ROLES:
        raise BadInput(f"there is no role {text[:32]!r}; choose from {', '.join(ROLES)}")
    return text


@dataclass(frozen=True, slots=True)
class User:
    id: int
    organization: int
    email: str
    role: str
    first_name: str = ""
    last_name: str = ""
    active: bool = True
    must_change_password: bool = False


@dataclass(frozen=True, slots=True)
class Credentials:
    user: User
    password_hash: str | None
    """None: this user cannot sign in with a password, only by tokens."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """Sign-ins from one address for one account, none of which has succeeded yet."""

    count: int
    since: datetime

    def retry_after(self, now: datetime) -> int:
        """Seconds until another sign-in may be tried; 0 when it may be tried now."""
        if self.count <= MAX_FAILURES:
            return 0
        return max(1, ceil((self.since + FAILURE_WINDOW - now).total_seconds()))


class SessionKind(StrEnum):
    LOGIN = "login"
    TOKEN = "token"


@dataclass(frozen=True, slots=True)
class Session:
    """`role` may be weaker than the user's own, never stronger: see `rights`."""

    id: str
    user: User
    kind: SessionKind
    role: str
    created_at: datetime
    expires_at: datetime
    organization_code: str = ""

    @property
    def rights(self) -> frozenset[Right]:
        return ROLES[self.role] & ROLES[self.user.role]


def new_session(user: User, kind: SessionKind, lasts: timedelta, role: str | None = None) -> Session:
    now = datetime.now(UTC)
    number = secrets.token_hex(SESSION_ID_BYTES)
    return Session(number, user, kind, role or user.role, now, now + min(lasts, MAX_SESSION))
