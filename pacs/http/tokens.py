"""Bearer tokens: signed references to a session's row, which decides what they may do."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

import jwt
from jwt.types import Options

from pacs.accounts import Session
from pacs.errors import Unauthenticated

_ALGORITHM = "HS256"
_MAX_TOKEN = 2048  # characters; ours have 300
_CLAIMS: Options = {"require": ["exp", "sid"], "verify_exp": False, "verify_iat": False}


@dataclass(frozen=True, slots=True)
class Tokens:
    """`key`: the installation's secret, from which one key for each purpose is derived."""

    key: str = field(repr=False)

    def issue(self, session: Session) -> str:
        claims = {
            "sid": session.id,
            "sub": session.user.email,
            "org": session.user.organization,
            "role": session.role,
            "iat": session.created_at,
            "exp": session.expires_at,
        }
        return jwt.encode(claims, self._derived("token"), _ALGORITHM)

    def session_number(self, token: str) -> str:
        """The session that a token signed by us names, else `Unauthenticated`.

        Its row decides whether it has expired: the token's times may be of another node's clock.
        """
        if len(token) > _MAX_TOKEN:
            raise Unauthenticated
        key = self._derived("token")
        try:
            claims = jwt.decode(token, key, [_ALGORITHM], options=_CLAIMS)
        except jwt.InvalidTokenError:
            raise Unauthenticated from None
        return str(claims["sid"])

    def csrf(self, session_number: str) -> str:
        """The CSRF token of a session, known to our own pages only."""
        return hmac.new(self._derived("csrf"), session_number.encode(), hashlib.sha256).hexdigest()

    def _derived(self, purpose: str) -> bytes:
        return hmac.new(self.key.encode(), purpose.encode(), hashlib.sha256).digest()
