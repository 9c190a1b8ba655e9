"""Conditional requests: 304 for a representation that the caller already has (RFC 9110 §13)."""

from __future__ import annotations

import re

from starlette.requests import Request

_ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')


def is_known(request: Request, entity_tag: str) -> bool:
    """Whether `If-None-Match` names this entity tag (§13.1.2)."""
    given = ",".join(request.headers.getlist("if-none-match"))
    return given.strip() == "*" or entity_tag in _ENTITY_TAG.findall(given)
