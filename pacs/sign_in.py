"""Signing in with a password: attempts are limited and every one is audited."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from pacs import passwords
from pacs.accounts import MAX_EMAIL, Session, SessionKind, email_address, new_session
from pacs.actor import Actor
from pacs.errors import BadInput, InvalidCredentials, TooManyAttempts, WeakPassword
from pacs.model import AuditRecord
from pacs.ports import Accounts, AuditTrail

security = structlog.get_logger("security")


@dataclass(frozen=True, slots=True)
class SignIn:
    """`lasts`: the lifetime of a session."""

    accounts: Accounts
    audit: AuditTrail
    lasts: timedelta

    def begin(self, somebody: Actor, email: str, password: str) -> Session:
        """`InvalidCredentials`, with the same message and timing whether or not the user exists.

        `TooManyAttempts`: attempts are counted by address and account before the password is checked, so that
        parallel ones do not get past the limit.
        """
        try:
            email = email_address(email)
        except BadInput:
            email = email[:MAX_EMAIL].lower()
        wait = self.accounts.attempt(email, somebody.address).retry_after(datetime.now(UTC))
        if wait:
            raise TooManyAttempts(retry_after=wait)
        found = self.accounts.credentials(email)
        right = passwords.verified(found.password_hash if found else None, password)
        if found is None or not right or not found.user.active:
            known = somebody if found is None else replace(somebody, organization=found.user.organization)
            self.audit.record(AuditRecord(replace(known, name=email), "login_failed", "denied"))
            # An unknown address may be a password, typed into the wrong field.
            security.warning("sign-in failed", user=email if found else "", address=somebody.address)
            raise InvalidCredentials
        user = found.user
        session = new_session(user, SessionKind.LOGIN, self.lasts)
        actor = replace(somebody, organization=user.organization, name=user.email)
        self.accounts.open_session(actor, session)
        self.accounts.forgive(email, somebody.address)
        return self.accounts.session(session.id) or session

    def end(self, actor: Actor, session: Session) -> None:
        self.accounts.end_session(actor, session.id)

    def change_password(self, actor: Actor, session: Session, old: str, new: str) -> None:
        """`InvalidCredentials` when `old` is wrong. All other sessions of the user end."""
        email = session.user.email
        wait = self.accounts.attempt(email, actor.address).retry_after(datetime.now(UTC))
        if wait:
            raise TooManyAttempts(retry_after=wait)
        found = self.accounts.credentials(email)
        if found is None or not passwords.verified(found.password_hash, old):
            self.audit.record(AuditRecord(actor, "password.change", "denied"))
            raise InvalidCredentials
        self.accounts.forgive(email, actor.address)
        if new == old:
            raise WeakPassword("the new password must differ from the old one")
        passwords.check_strength(new, email)
        self.accounts.set_password(actor, session.user.id, passwords.hashed(new), session.id)
