"""Who acts: one value, made where a request enters, passed along to the audit trail."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Literal

DEFAULT_ORGANIZATION = 1
"""The organisation that the first migration makes (code `default`)."""

_CORRELATION = re.compile(r"[A-Za-z0-9._-]{1,64}")


def correlation_id(offered: str | None = None) -> str:
    """`offered` when it is well-formed, else a new id."""
    if offered and _CORRELATION.fullmatch(offered):
        return offered
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class Actor:
    """`name` is an AE title, an e-mail address or the name of a job."""

    organization: int
    kind: Literal["ae", "user", "system"]
    name: str
    address: str
    correlation_id: str


def system_actor(name: str, organization: int = DEFAULT_ORGANIZATION) -> Actor:
    return Actor(organization, "system", name, "", correlation_id())
