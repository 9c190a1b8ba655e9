"""Users and their credentials, in SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from pacs.accounts import Credentials, User
from pacs.actor import Actor
from pacs.errors import Conflict, NotFound
from pacs.model import AuditRecord
from storage.accounts import sessions
from storage.feeds import Transaction, transaction
from storage.tables import users


@dataclass(frozen=True, slots=True)
class NewUser:
    organization: int
    email: str
    role: str
    password_hash: str | None = None
    must_change_password: bool = False
    first_name: str = ""
    last_name: str = ""


@dataclass(frozen=True, slots=True)
class SqlAccounts(sessions.SqlSessions):
    """Implements `pacs.ports.Accounts`."""

    def credentials(self, email: str) -> Credentials | None:
        wanted = select(users).where(users.c.email == email)
        with self.database.read() as connection:
            row = connection.execute(wanted).mappings().first()
        return None if row is None else Credentials(sessions.user_of(dict(row)), row["password_hash"])

    def add(self, actor: Actor, new: NewUser) -> User:
        """`Conflict` when the address is taken in any organisation."""
        try:
            with transaction(self.database) as under_way:
                number = _insert(under_way, new)
                details = {"role": new.role, "organization": new.organization}
                under_way.audit(AuditRecord(actor, "user.add", "success", new.email, details))
        except IntegrityError as error:
            raise Conflict(f"there is a user {new.email} already") from error
        return User(
            number, new.organization, new.email, new.role, must_change_password=new.must_change_password
        )

    def add_first(self, actor: Actor, new: NewUser) -> bool:
        """Add the first user; False when there is one already, perhaps just added by another node."""
        try:
            with transaction(self.database) as under_way:
                if under_way.connection.execute(select(users.c.pk).limit(1)).first() is not None:
                    return False
                _insert(under_way, new)
                under_way.audit(AuditRecord(actor, "user.add", "success", new.email, {"role": new.role}))
        except IntegrityError:
            return False
        return True

    def all(self) -> list[User]:
        with self.database.read() as connection:
            rows = connection.execute(select(users).order_by(users.c.email)).mappings().all()
        return [sessions.user_of(dict(row)) for row in rows]

    def disable(self, actor: Actor, email: str) -> None:
        """Also ends all sessions of the user. `NotFound` when there is no such user."""
        self._change(actor, email, "user.disable", {"active": False})

    def enable(self, actor: Actor, email: str) -> None:
        """Undo `disable`; ended sessions stay ended."""
        self._change(actor, email, "user.enable", {"active": True})

    def reset_password(self, actor: Actor, email: str, password_hash: str) -> None:
        """Set a one-time password. Ends all sessions, as whoever knew the old password may have one."""
        changed = {"password_hash": password_hash, "must_change_password": True}
        self._change(actor, email, "password.reset", changed)

    def _change(self, actor: Actor, email: str, action: str, changed: dict[str, Any]) -> None:
        with transaction(self.database) as under_way:
            wanted = update(users).where(users.c.email == email).values(changed).returning(users.c.pk)
            number = under_way.connection.execute(wanted).scalar()
            if number is None:
                raise NotFound(f"there is no user {email}")
            sessions.end_all(under_way, number)
            under_way.audit(AuditRecord(actor, action, "success", email))

    def set_password(self, actor: Actor, user: int, password_hash: str, keep: str = "") -> None:
        with transaction(self.database) as under_way:
            changed = {"password_hash": password_hash, "must_change_password": False}
            under_way.connection.execute(update(users).where(users.c.pk == user).values(changed))
            sessions.end_all(under_way, user, keep)
            under_way.audit(AuditRecord(actor, "password.change", "success", actor.name))


def _insert(under_way: Transaction, new: NewUser) -> int:
    row: dict[str, Any] = {
        "org_id": new.organization,
        "email": new.email,
        "role": new.role,
        "first_name": new.first_name,
        "last_name": new.last_name,
        "password_hash": new.password_hash,
        "must_change_password": new.must_change_password,
        "active": True,
        "created_at": under_way.now,
    }
    made = under_way.connection.execute(insert(users), row)
    assert made.inserted_primary_key is not None
    return int(made.inserted_primary_key[0])
