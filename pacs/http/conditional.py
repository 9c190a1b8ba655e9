"""Conditional requests: 304 for a representation that the caller already has (RFC 9110 §13)."""

from __future__ import annotations

import re
from hashlib import blake2b

from starlette.requests import Request

from pacs.errors import PreconditionFailed

_ENTITY_TAG = re.compile(r'(W/)?("[^"]*")')


def is_known(request: Request, entity_tag: str) -> bool:
    """Whether `If-None-Match` names this entity tag (§13.1.2); `PreconditionFailed` where an `If-Match` does
    not (§13.1.1)."""
    if "if-match" in request.headers and ("", entity_tag) not in _named(request, "if-match", entity_tag):
        raise PreconditionFailed
    return any(tag == entity_tag for _, tag in _named(request, "if-none-match", entity_tag))


def _named(request: Request, header: str, entity_tag: str) -> list[tuple[str, str]]:
    """Each entity tag in the header, as `W/` or nothing and the tag; `*` stands for `entity_tag`."""
    given = ",".join(request.headers.getlist(header))
    return [("", entity_tag)] if given.strip() == "*" else _ENTITY_TAG.findall(given)


def entity_tag(*what: object) -> str:
    """A strong, quoted entity tag, derived from everything that the bytes of an answer depend on."""
    return f'"{blake2b(" ".join(map(str, what)).encode(), digest_size=16).hexdigest()}"'


def revalidated(tag: str) -> dict[str, str]:
    """Headers for a body that callers may keep but must revalidate, as their access may have ended; none
    without a tag."""
    return {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept"} if tag else {}
