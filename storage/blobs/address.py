"""A blob's address is derived from its content: `blake3:` and the 64 hex digits of its BLAKE3 hash.

The path follows from the address alone, so a peer's strings never name a path (law 4).
"""

from __future__ import annotations

import re
from typing import Final

from blake3 import blake3

SCHEME: Final = "blake3:"
ROOT: Final = "blobs/blake3"
"""The folder of blobs below the root of a store: `ROOT/ab/rest of the digest`."""

MARK: Final = "blobs/mark"
"""Beside `ROOT`: see `storage.upkeep.mark`."""

FAN_OUT: Final = 2
"""Hex digits per folder name: 256 folders, so ten million blobs are 39,000 names in each."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


def address_of(hasher: blake3) -> str:
    return SCHEME + hasher.hexdigest()


def digest(address: str) -> str:
    """The hex digits of an address. `ValueError` for anything else."""
    scheme, hexadecimal = address[: len(SCHEME)], address[len(SCHEME) :]
    if scheme != SCHEME or not _DIGEST.fullmatch(hexadecimal):
        raise ValueError(f"not a blob address: {address!r}")
    return hexadecimal


def key(address: str) -> str:
    """A blob's path below the root of its store. Keys sort in the order of their addresses."""
    hexadecimal = digest(address)
    return f"{ROOT}/{hexadecimal[:FAN_OUT]}/{hexadecimal[FAN_OUT:]}"


def address_at(folder: str, name: str) -> str | None:
    """The address of the file `folder/name` below `ROOT`; None for a stray file."""
    hexadecimal = folder + name
    if len(folder) == FAN_OUT and _DIGEST.fullmatch(hexadecimal):
        return SCHEME + hexadecimal
    return None
