"""Query strings of REST resources, parsed strictly: an unknown parameter is refused.

If a misspelt filter were ignored, the request would return everything.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from starlette.requests import Request

from pacs.errors import BadInput, UnknownParameter

MAX_NUMBER = (1 << 63) - 1
_FOR_OTHERS = frozenset({"access_token", "_"})
"""Parameters that other layers use, and cache busters."""


def parameters(request: Request, known: Collection[str]) -> dict[str, str]:
    """Each at most once. `UnknownParameter` for any other."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in _FOR_OTHERS:
            continue
        if name not in known:
            raise UnknownParameter(f"there is no parameter {re.sub(r'[^A-Za-z0-9._-]', '?', name)[:64]}")
        if name in found:
            raise BadInput(f"{name} is given more than once")
        found[name] = value
    return found


def number(given: Mapping[str, str], name: str, default: int, least: int = 0, most: int = MAX_NUMBER) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"\d{1,19}", text, re.ASCII) or not least <= int(text) <= most:
        raise BadInput(f"{name} must be a number from {least} to {most}")
    return int(text)
