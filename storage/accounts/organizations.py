"""Organisations, which own all data. The first migration creates `default`."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from pacs.actor import Actor
from pacs.errors import Conflict
from pacs.model import AuditRecord
from storage.database import Database
from storage.feeds import transaction
from storage.tables import org_heads, organizations, studies


@dataclass(frozen=True, slots=True)
class Organization:
    id: int
    code: str
    name: str


def add(database: Database, actor: Actor, code: str, name: str) -> Organization:
    """`Conflict` when the code is taken."""
    try:
        with transaction(database) as under_way:
            made = under_way.connection.execute(insert(organizations), {"code": code, "name": name})
            assert made.inserted_primary_key is not None
            organization = Organization(made.inserted_primary_key[0], code, name)
            under_way.connection.execute(insert(org_heads), {"org_id": organization.id})
            under_way.audit(AuditRecord(actor, "organization.add", "success", code))
    except IntegrityError as error:
        raise Conflict(f"there is an organisation {code} already") from error
    return organization


def find(database: Database, code: str) -> Organization | None:
    wanted = select(organizations).where(organizations.c.code == code)
    with database.read() as connection:
        row = connection.execute(wanted).mappings().first()
    return None if row is None else Organization(**row)


def all_of(database: Database) -> list[Organization]:
    with database.read() as connection:
        rows = connection.execute(select(organizations).order_by(organizations.c.code)).mappings().all()
    return [Organization(**row) for row in rows]


def holding(database: Database, study_instance_uid: str) -> frozenset[int]:
    """Those that have this study."""
    everywhere = studies.c.org_id.in_(select(organizations.c.id))  # lets the index be used
    wanted = select(studies.c.org_id).where(everywhere, studies.c.study_instance_uid == study_instance_uid)
    with database.read() as connection:
        return frozenset(connection.execute(wanted).scalars())
