"""`/api/v1/auth`: signing in and out, the current user, changing one's password; `/api/v1/roles`.

A browser gets its token as an HttpOnly cookie and sends the CSRF token from these resources with each
change; a script sends `access_token` as a bearer token.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pacs.accounts import Session, User
from pacs.errors import Forbidden
from pacs.http.authentication import Caller, anonymous
from pacs.http.headers import over_tls
from pacs.http.operation import OBJECT, Operation, answers_json, describe
from pacs.http.origin import public_path
from pacs.http.resource import Public, Resource, actor
from pacs.http.rest import ROOT
from pacs.http.rest.bodies import read
from pacs.http.sessions import COOKIE, Sessions
from pacs.http.threads import REQUESTS, ThreadPool
from pacs.passwords import MAX_LENGTH
from pacs.rights import ROLES, Right
from pacs.sign_in import SignIn

HASHING_AT_ONCE = 2
"""Hashing a password takes time and 19 MiB; guessing passwords must not occupy all threads."""
HASHING_LATER = 64
"""Passwords that may queue; further attempts get 503."""

Typed = Annotated[str, Field(max_length=MAX_LENGTH)]
"""As typed: not stripped."""
NO_DEFAULT_TYPE = ""
"""A body without Content-Type is refused: a form of another site can send one."""


class Credentials(BaseModel):
    email: Typed
    password: Typed


class NewPassword(BaseModel):
    old_password: Typed
    new_password: Typed


class AuthResources:
    """`sessions` None: the server runs without authentication."""

    def __init__(self, sign_in: SignIn, sessions: Sessions | None) -> None:
        self._sign_in = sign_in
        self._sessions = sessions
        self._hashing = ThreadPool("password", HASHING_AT_ONCE, HASHING_LATER)

    def routes(self) -> list[Route]:
        auth = f"{ROOT}/auth"
        return [
            Public(f"{auth}/login", self.login, methods=["POST"]),
            Resource(f"{auth}/logout", self.logout, None, ["POST"]),
            Resource(f"{auth}/me", self.me, None),
            Resource(f"{auth}/password", self.password, None, ["POST"]),
            Resource(f"{ROOT}/roles", self.roles, None),
        ]

    @describe(Operation(body=Credentials, answers=answers_json(OBJECT)))
    async def login(self, request: Request) -> Response:
        """Sign in with e-mail address and password."""
        sessions = self._needed()
        given = await read(request, Credentials, NO_DEFAULT_TYPE)
        somebody = anonymous(request)
        session = await self._hashing.run(lambda: self._sign_in.begin(somebody, given.email, given.password))
        lasts = int((session.expires_at - datetime.now(UTC)).total_seconds())
        token = sessions.tokens.issue(session)
        csrf = sessions.tokens.csrf(session.id)
        answer = JSONResponse(
            {
                "access_token": token,
                "token_type": "bearer",
                "expires_in": lasts,
                "csrf_token": csrf,
                "user": _user(session.user, session.organization_code),
                "rights": [] if session.user.must_change_password else sorted(session.rights),
            }
        )
        path, secure = public_path(request) or "/", over_tls(request.scope)
        answer.set_cookie(
            COOKIE, token, max_age=lasts, path=path, httponly=True, samesite="lax", secure=secure
        )
        return answer

    @describe(Operation(status=204))
    async def logout(self, request: Request) -> Response:
        """End this session, and with it its token."""
        sessions, session = self._needed(), _session(request)
        who = actor(request)
        await REQUESTS.run(self._sign_in.end, who, session)
        sessions.end()
        answer = Response(status_code=204)
        answer.delete_cookie(COOKIE, path=public_path(request) or "/")
        return answer

    @describe(Operation(answers=answers_json(OBJECT)))
    def me(self, request: Request) -> Response:
        """The current user and their rights."""
        caller: Caller = request.state.caller
        rights = sorted(caller.rights)
        if caller.session is None or self._sessions is None:
            return JSONResponse({"open": True, "name": "", "rights": rights, "permissions": rights})
        session = caller.session
        return JSONResponse(
            {
                **_user(session.user, session.organization_code),
                "role": session.role,
                "mfa_enabled": False,
                "rights": rights,
                "permissions": rights,
                "expires_at": session.expires_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
                "csrf_token": self._sessions.tokens.csrf(session.id),
                "open": False,
            }
        )

    @describe(Operation(body=NewPassword, status=204))
    async def password(self, request: Request) -> Response:
        """Change one's own password; all other sessions end."""
        sessions, session = self._needed(), _session(request)
        given = await read(request, NewPassword, NO_DEFAULT_TYPE)
        who, old, new = actor(request), given.old_password, given.new_password
        await self._hashing.run(lambda: self._sign_in.change_password(who, session, old, new))
        sessions.end()
        return Response(status_code=204)

    @describe(Operation(answers=answers_json(OBJECT)))
    def roles(self, request: Request) -> Response:
        """Which role has which rights."""
        return JSONResponse(
            {
                "rights": [str(right) for right in Right],
                "roles": {role: sorted(rights) for role, rights in ROLES.items()},
            }
        )

    def _needed(self) -> Sessions:
        if self._sessions is None:
            raise Forbidden("this server runs without authentication: there is nothing to sign in to")
        return self._sessions


def _session(request: Request) -> Session:
    caller: Caller = request.state.caller
    if caller.session is None:
        raise Forbidden("this needs a signed-in session")
    return caller.session


def _user(user: User, organization: str) -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "name": f"{user.first_name} {user.last_name}".strip() or user.email,
        "role": user.role,
        "organization": organization,
        "must_change_password": user.must_change_password,
    }
