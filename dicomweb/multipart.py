"""Multipart/related answers (RFC 2387, PS3.18 §8.6.1.2), generated while they are sent."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from pacs.http.accept import MULTIPART
from pacs.http.streaming import Pieces

CLOSING = 2 + 2 + 2  # bytes around the last boundary


@dataclass(frozen=True, slots=True)
class PartHead:
    """`size`: bytes of the part's body; None when unknown in advance."""

    content_type: str
    size: int | None = None
    location: str = ""

    def encoded(self, boundary: str) -> bytes:
        lines = [f"--{boundary}", f"Content-Type: {self.content_type}"]
        if self.size is not None:
            lines.append(f"Content-Length: {self.size}")
        if self.location:
            lines.append(f"Content-Location: {self.location}")
        return "\r\n".join((*lines, "", "")).encode()


Part = tuple[PartHead, Iterable[bytes]]


def new_boundary() -> str:
    """Random, so that no object can be crafted to contain it."""
    return secrets.token_hex(16)


def boundary(tag: str) -> str:
    """Fixed where there is an entity tag, so that equal tags mean equal bytes."""
    return tag.strip('"') or new_boundary()


def content_type(media_type: str, boundary: str) -> str:
    return f'{MULTIPART}; type="{media_type}"; boundary={boundary}'


def encoded(parts: Iterable[Part], boundary: str) -> Pieces:
    """The body. A part's pieces are requested only after its head was consumed."""
    for head, body in parts:
        yield head.encoded(boundary)
        yield from body
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def length(heads: Iterable[PartHead], boundary: str) -> int | None:
    """Bytes of the body that `encoded` yields; None when the size of a part is unknown."""
    total = len(boundary) + CLOSING
    for head in heads:
        if head.size is None:
            return None
        total += len(head.encoded(boundary)) + head.size + 2
    return total
