"""Passwords: stored as salted argon2id hashes, refused when easy to guess."""

from __future__ import annotations

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pacs.errors import WeakPassword

MIN_LENGTH, MAX_LENGTH = 8, 256

_TRIED_FIRST = """
    00000000 11111111 12345678 123456789 1234567890 1q2w3e4r 1qaz2wsx 87654321 aa123456 abc12345
    abcd1234 admin123 administrator changeme dicom123 football iloveyou lightbox letmein1
    p@ssw0rd pa55word pacs1234 passw0rd password password1 password12 password123 qwerty12
    qwerty123 qwertyuiop radiology sunshine trustno1 welcome1 welcome123 zaq12wsx
"""
_COMMON = frozenset(_TRIED_FIRST.split())
"""The passwords of at least `MIN_LENGTH` characters that attackers try first."""

# Argon2id with 19 MiB and two passes, as OWASP recommends: about a tenth of a second each.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_OF_NOBODY = _hasher.hash(secrets.token_hex(16))


def check_strength(password: str, email: str = "") -> None:
    """Raises `WeakPassword`, whose message says what is wrong without repeating the password."""
    if len(password) < MIN_LENGTH:
        raise WeakPassword(f"the password needs at least {MIN_LENGTH} characters")
    if len(password) > MAX_LENGTH:
        raise WeakPassword(f"the password may have at most {MAX_LENGTH} characters")
    lowered = password.lower()
    if lowered in _COMMON or len(set(lowered)) < 4 or lowered in (email.lower(), email.lower().split("@")[0]):
        raise WeakPassword


def one_time() -> str:
    """A random password for a first sign-in, shown once and to be changed then."""
    return secrets.token_urlsafe(12)


def hashed(password: str) -> str:
    return _hasher.hash(password)


def verified(kept: str | None, password: str) -> bool:
    """Takes the same time without a hash, so that timing does not reveal which accounts exist."""
    try:
        _hasher.verify(kept or _OF_NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None
