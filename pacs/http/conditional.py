"""Conditional requests: 304 for a representation that the caller already has (RFC 9110 §13)."""

from __future__ import annotations

import re
from hashlib import blake2b

from starlette.requests import Request

_ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')


def is_known(request: Request, entity_tag: str) -> bool:
    """Whether `If-None-Match` names this entity tag (§13.1.2)."""
    given = ",".join(request.headers.getlist("if-none-match"))
    return given.strip() == "*" or entity_tag in _ENTITY_TAG.findall(given)


def entity_tag(*what: object) -> str:
    """A strong one, quoted, derived from everything that the bytes of an answer depend on."""
    return f'"{blake2b(" ".join(map(str, what)).encode(), digest_size=16).hexdigest()}"'


def revalidated(tag: str) -> dict[str, str]:
    """The headers of what a caller may keep but asks for each time, as access may have ended; none without
    a tag."""
    return {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept"} if tag else {}
