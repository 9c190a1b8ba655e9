"""What a user of HTTP may do: roles as one table of rights."""

from __future__ import annotations

from enum import StrEnum


class Right(StrEnum):
    READ = "read"
    STORE = "store"
    EDIT = "edit"
    DELETE = "delete"
    ADMINISTER = "administer"


ROLES: dict[str, frozenset[Right]] = {
    "admin": frozenset(Right),
    "manager": frozenset({Right.READ, Right.EDIT}),
    "radiologist": frozenset({Right.READ, Right.STORE, Right.EDIT}),
    "technician": frozenset({Right.READ, Right.STORE, Right.EDIT}),
    "doctor": frozenset({Right.READ, Right.STORE}),
    "user": frozenset({Right.READ, Right.STORE}),
    "viewer": frozenset({Right.READ}),
}
