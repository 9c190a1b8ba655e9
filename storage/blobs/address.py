"""A blob is called by what it is: `blake3:` and the 64 hex digits of its bytes' BLAKE3 hash.

The address alone makes the path, so nothing that a peer sent ever names one (law 4).
"""

from __future__ import annotations

import re
from typing import Final

from blake3 import blake3

SCHEME: Final = "blake3:"
ROOT: Final = "blobs/blake3"
"""Where blobs lie below the root of a store, as `ROOT/ab/rest of the digest`."""

FAN_OUT: Final = 2
"""Hex digits per folder name: 256 folders, so ten million blobs are 39,000 names in each."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


def address_of(hasher: blake3) -> str:
    return SCHEME + hasher.hexdigest()


def digest(address: str) -> str:
    """The hex digits of an address. `ValueError` when it is none."""
    scheme, hexadecimal = address[: len(SCHEME)], address[len(SCHEME) :]
    if scheme != SCHEME or not _DIGEST.fullmatch(hexadecimal):
        raise ValueError(f"not a blob address: {address!r}")
    return hexadecimal


def key(address: str) -> str:
    """Where a blob lies below the root of its store. Keys sort as addresses do."""
    hexadecimal = digest(address)
    return f"{ROOT}/{hexadecimal[:FAN_OUT]}/{hexadecimal[FAN_OUT:]}"


def address_at(folder: str, name: str) -> str | None:
    """The address that lies at `folder/name` below `ROOT`; None for a stray file."""
    hexadecimal = folder + name
    if len(folder) == FAN_OUT and _DIGEST.fullmatch(hexadecimal):
        return SCHEME + hexadecimal
    return None
