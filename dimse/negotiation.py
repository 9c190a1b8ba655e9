"""Which presentation contexts and options of a request are accepted: pure, proposal in, answer out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context. Roles are ours: we serve (`is_scp`), we may ask (`is_scu`)."""

    id: int
    abstract_syntax: str
    transfer_syntax: str
    is_scp: bool = True
    is_scu: bool = False


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """SOP Class Extended Negotiation of query and retrieve (PS3.4 §C.5.1.1)."""

    relational: bool = False
    date_time: bool = False
    fuzzy: bool = False
    timezone: bool = False
