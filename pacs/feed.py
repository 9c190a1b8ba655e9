"""The change feed of an organisation: what happened, numbered without gaps, in the order of commits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """`kind` as `study.received`; `resource` is what it is about; `payload` holds identifiers only."""

    seq: int
    at: datetime
    kind: str
    resource: str
    payload: Mapping[str, Any]
    correlation_id: str
