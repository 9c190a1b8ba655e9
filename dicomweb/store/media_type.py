"""Parsing the `Content-Type` of a request or a part (RFC 9110 §8.3.1, PS3.18 §8.7)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_NAME = re.compile(r"\s*([\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127})\s*(?:;|$)", re.ASCII)
_PARAMETER = re.compile(r';\s*([\w-]{1,64})\s*=\s*("(?:[^"\\]|\\.)*+"|[^;"]*)', re.ASCII)


@dataclass(frozen=True, slots=True)
class MediaType:
    """`name` and the keys of `parameters` are in lower case; values are unquoted."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def media_type(text: str) -> MediaType:
    """An empty name when there is none; the first of a repeated parameter counts."""
    named = _NAME.match(text)
    if named is None:
        return MediaType("")
    parameters: dict[str, str] = {}
    for key, value in _PARAMETER.findall(text):
        parameters.setdefault(key.lower(), _unquoted(value.strip()))
    return MediaType(named[1].lower(), parameters)


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
