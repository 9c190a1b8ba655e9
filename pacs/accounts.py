"""Users and their sessions. A session is a row: whoever ends it ends its token, wherever that is.

An e-mail address is one user's in the whole installation, and the user belongs to one organisation.
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
"""Sign-ins that may fail from one address for one account, and the time that counts them."""

_EMAIL = re.compile(r"[^\s@<>\"\\]{1,64}@[A-Za-z0-9.-]{1,189}")


def email_address(text: str) -> str:
    """As it is kept and compared: in lower case. `BadInput` when it is none."""
    if not _EMAIL.fullmatch(text):
        raise BadInput("that is not an e-mail address")
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
    """None: cannot sign in with a password."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """Sign-ins from one address for one account, none of which has succeeded yet."""

    count: int
    since: datetime

    def retry_after(self, now: datetime) -> int:
        """Seconds until the next may be tried; 0: now."""
        if self.count <= MAX_FAILURES:
            return 0
        return max(1, ceil((self.since + FAILURE_WINDOW - now).total_seconds()))


class SessionKind(StrEnum):
    LOGIN = "login"
    TOKEN = "token"


@dataclass(frozen=True, slots=True)
class Session:
    """`role` may be less than the user's own; never more counts."""

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
