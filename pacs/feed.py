"""The change feed of an organisation: what happened, numbered without gaps, in the order of commits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """`kind`: such as `study.received`. `resource`: what it concerns. `payload`: identifiers only, no PHI."""

    seq: int
    at: datetime
    kind: str
    resource: str
    payload: Mapping[str, Any]
    correlation_id: str
