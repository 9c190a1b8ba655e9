"""What a password must be, and how it is kept."""

from __future__ import annotations

import pytest

from pacs import passwords
from pacs.errors import WeakPassword


@pytest.mark.parametrize(
    "password",
    [
        "",
        "seven77",
        "a" * 20,
        "aabbaabb",
        "PASSWORD1",
        "qwerty123",
        "x" * 300,
        "ann@example.test",
        "Ann-Example",
    ],
)
def test_what_is_easily_guessed_is_refused(password: str) -> None:
    with pytest.raises(WeakPassword) as refused:
        passwords.check_strength(
            password, "ann-example@example.test" if password == "Ann-Example" else "ann@example.test"
        )
    assert not password or password not in str(refused.value)


@pytest.mark.parametrize("password", ["correct horse", "8 chars!", "пароль из слов"])
def test_others_are_taken(password: str) -> None:
    passwords.check_strength(password, "ann@example.test")


def test_what_we_make_ourselves_is_taken() -> None:
    passwords.check_strength(passwords.one_time(), "ann@example.test")


def test_a_hash_has_a_salt_of_its_own_and_fits_its_password_only() -> None:
    one, two = passwords.hashed("correct horse"), passwords.hashed("correct horse")
    assert one != two and one.startswith("$argon2id$") and "horse" not in one
    assert passwords.verified(one, "correct horse")
    assert not passwords.verified(one, "Correct horse")
    assert not passwords.verified(None, "correct horse")
    assert not passwords.verified("no hash at all", "correct horse")
