"""Tokens say nothing that we did not sign."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.accounts import Session, SessionKind, User, new_session
from pacs.errors import Unauthenticated
from pacs.http.tokens import Tokens

KEY = "0123456789abcdef0123456789abcdef"
TOKENS = Tokens(KEY)


def session(**changes: Any) -> Session:
    user = User(7, 1, "ann@example.test", "viewer")
    return replace(new_session(user, SessionKind.TOKEN, timedelta(hours=1)), **changes)


def test_a_token_leads_to_its_session() -> None:
    made = session()
    assert TOKENS.session_number(TOKENS.issue(made)) == made.id


@pytest.mark.parametrize("wrong", [timedelta(days=-1), timedelta(days=1)], ids=["slow", "fast"])
def test_the_clock_of_the_node_that_issued_a_token_does_not_matter(wrong: timedelta) -> None:
    there = datetime.now(UTC) + wrong
    made = session(created_at=there, expires_at=there + timedelta(hours=1))
    assert TOKENS.session_number(TOKENS.issue(made)) == made.id


@given(st.integers(0, 400), st.integers(0, 63))
def test_a_token_that_was_touched_is_none(position: int, replacement: int) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = TOKENS.issue(session())
    position %= len(token) - 1  # the last character has bits that say nothing
    touched = token[:position] + alphabet[replacement] + token[position + 1 :]
    if touched != token:
        with pytest.raises(Unauthenticated):
            TOKENS.session_number(touched)


@given(st.text(max_size=100))
def test_what_is_no_token_is_none(text: str) -> None:
    with pytest.raises(Unauthenticated):
        TOKENS.session_number(text)


def test_others_keys_and_unsigned_tokens_are_refused() -> None:
    claims = {"sid": "x", "exp": datetime.now(UTC) + timedelta(hours=1)}
    for token in (
        Tokens("another key of the same length...").issue(session()),
        jwt.encode(claims, KEY, "HS256"),  # the installation's key is not the tokens' key
        jwt.encode(claims, "", "none"),
        jwt.encode({"sid": "x"}, TOKENS._derived("token"), "HS256"),
        "a" * 5000,
    ):
        with pytest.raises(Unauthenticated):
            TOKENS.session_number(token)


def test_the_csrf_token_is_the_sessions_own_and_the_key_is_not_shown() -> None:
    assert TOKENS.csrf("a") != TOKENS.csrf("b")
    assert KEY not in repr(TOKENS)
