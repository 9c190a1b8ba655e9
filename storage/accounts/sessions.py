"""Sessions, one row each, and counts of failed sign-ins.

Both use the database's clock; `Session.expires_at` and `Attempts.since` are converted to this node's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Row, bindparam, case, delete, insert, or_, select, type_coerce, update

from pacs.accounts import FAILURE_WINDOW, MAX_FAILURES, Attempts, Session, SessionKind, User
from pacs.actor import Actor
from pacs.model import AuditRecord
from storage import clock
from storage.database import Database
from storage.feeds import Transaction, transaction
from storage.statements import first
from storage.tables import organizations, sessions, sign_in_attempts, users
from storage.upsert import INSERT

_KEPT_AFTER_EXPIRY = timedelta(days=1)

_USER = ("pk", "org_id", "email", "role", "first_name", "last_name", "active", "must_change_password")


@cache
def _alive(dialect: str) -> Any:
    columns = (
        sessions.c.id,
        sessions.c.kind,
        sessions.c.role.label("session_role"),
        sessions.c.created_at,
        (type_coerce(sessions.c.expires_at, BigInteger) - clock.now(dialect)).label("left"),
        organizations.c.code,
        *(users.c[name] for name in _USER),
    )
    found = select(*columns).join(users, users.c.pk == sessions.c.user_pk)
    return found.join(organizations, organizations.c.id == users.c.org_id).where(
        sessions.c.id == bindparam("number"), sessions.c.revoked_at.is_(None), users.c.active
    )


@dataclass(frozen=True, slots=True)
class SqlSessions:
    """The part of `pacs.ports.Accounts` that requests and sign-ins use."""

    database: Database

    def session(self, number: str) -> Session | None:
        with self.database.read() as connection:
            row = first(connection, _alive(self.database.dialect), {"number": number})
        if row is None:
            return None
        return Session(
            id=row["id"],
            user=user_of(row),
            kind=SessionKind(row["kind"]),
            role=row["session_role"],
            created_at=row["created_at"],
            expires_at=datetime.now(UTC) + timedelta(microseconds=row["left"]),
            organization_code=row["code"],
        )

    def open_session(self, actor: Actor, session: Session) -> None:
        dialect = self.database.dialect
        row = {
            "id": session.id,
            "org_id": session.user.organization,
            "user_pk": session.user.id,
            "kind": session.kind,
            "role": session.role,
            "address": actor.address,
            "created_at": session.created_at,
            "expires_at": clock.later(dialect, session.expires_at - session.created_at),
        }
        action = "login" if session.kind is SessionKind.LOGIN else "token.create"
        details = {"session": session.id[:8], "role": session.role}
        old = clock.later(dialect, -_KEPT_AFTER_EXPIRY)
        with transaction(self.database) as under_way:
            forgotten = sessions.c.user_pk == session.user.id, sessions.c.expires_at < old
            under_way.connection.execute(delete(sessions).where(*forgotten))
            under_way.connection.execute(insert(sessions).values(row))
            under_way.audit(AuditRecord(actor, action, "success", session.user.email, details))

    def end_session(self, actor: Actor, number: str) -> None:
        with transaction(self.database) as under_way:
            alive = sessions.c.id == number, sessions.c.revoked_at.is_(None)
            ended = update(sessions).where(*alive).values(revoked_at=under_way.now)
            if under_way.connection.execute(ended).rowcount:
                under_way.audit(AuditRecord(actor, "logout", "success", actor.name, {"session": number[:8]}))

    def attempt(self, email: str, address: str) -> Attempts:
        table, dialect = sign_in_attempts, self.database.dialect
        this = (table.c.email == email, table.c.address == address)
        age = (clock.now(dialect) - type_coerce(table.c.since, BigInteger)).label("age")
        over = or_(
            table.c.since <= clock.later(dialect, -FAILURE_WINDOW),
            table.c.since > clock.later(dialect, FAILURE_WINDOW),  # the clock was set back
        )
        many = select(table.c.tries, age).where(*this, table.c.tries > MAX_FAILURES, ~over)
        with self.database.read() as connection:
            row = connection.execute(many).first()
        if row is not None:
            return _attempts(row)  # so that a flood of attempts causes no flood of writes
        one_more = INSERT[dialect](table).values(
            email=email, address=address, tries=1, since=clock.now(dialect)
        )
        one_more = one_more.on_conflict_do_update(
            index_elements=["email", "address"],
            set_={
                "tries": case((over, 1), else_=table.c.tries + 1),
                "since": case((over, one_more.excluded.since), else_=table.c.since),
            },
        ).returning(table.c.tries, age)
        with self.database.write() as connection:
            connection.execute(delete(table).where(over))
            counted = connection.execute(one_more).one()
        return _attempts(counted)

    def forgive(self, email: str, address: str) -> None:
        table = sign_in_attempts
        with self.database.write() as connection:
            connection.execute(delete(table).where(table.c.email == email, table.c.address == address))


def end_all(under_way: Transaction, user: int, keep: str = "") -> None:
    """Ends all sessions of one user except `keep`."""
    alive = sessions.c.user_pk == user, sessions.c.revoked_at.is_(None), sessions.c.id != keep
    under_way.connection.execute(update(sessions).where(*alive).values(revoked_at=under_way.now))


def _attempts(row: Row[Any]) -> Attempts:
    return Attempts(row.tries, datetime.now(UTC) - timedelta(microseconds=row.age))


def user_of(row: Mapping[str, Any]) -> User:
    return User(
        id=row["pk"],
        organization=row["org_id"],
        email=row["email"],
        role=row["role"],
        first_name=row["first_name"],
        last_name=row["last_name"],
        active=row["active"],
        must_change_password=row["must_change_password"],
    )
