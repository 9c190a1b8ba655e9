"""The registry of application entities, cached for a moment in each process."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from pacs.actor import Actor
from pacs.errors import Conflict
from pacs.model import ApplicationEntity, AuditRecord
from storage.database import Database
from storage.feeds import transaction
from storage.tables import application_entities as entities

CACHE_SECONDS = 1.0
"""Seconds for which an entity is cached: a registration takes effect everywhere within this time."""
_CACHED_TITLES = 1000


class SqlApplicationEntities:
    """Implements `pacs.ports.ApplicationEntities`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: dict[str, tuple[float, ApplicationEntity | None]] = {}

    def find(self, title: str) -> ApplicationEntity | None:
        now = time.monotonic()
        until, entity = self._cache.get(title, (0.0, None))
        if until > now:
            return entity
        with self._database.read() as connection:
            row = connection.execute(select(entities).where(entities.c.title == title)).mappings().first()
        if len(self._cache) >= _CACHED_TITLES:  # peers choose the titles, so the number is bounded
            self._cache = {}
        found = None if row is None else _entity(dict(row))
        self._cache[title] = (now + CACHE_SECONDS, found)
        return found

    def all(self) -> list[ApplicationEntity]:
        with self._database.read() as connection:
            rows = connection.execute(select(entities).order_by(entities.c.title)).mappings().all()
        return [_entity(dict(row)) for row in rows]

    def add(self, actor: Actor, entity: ApplicationEntity) -> None:
        """`Conflict` when the title is registered, in whichever organisation."""
        row = {
            "org_id": entity.organization,
            "title": entity.title,
            "host": entity.host,
            "port": entity.port,
            "rights": ",".join(sorted(entity.rights)),
            "tls": entity.tls,
        }
        try:
            with transaction(self._database) as under_way:
                under_way.connection.execute(insert(entities), row)
                details = {"rights": sorted(entity.rights), "host": entity.host, "port": entity.port}
                under_way.audit(AuditRecord(actor, "ae.add", "success", entity.title, details))
        except IntegrityError as error:
            told = f"AE title {entity.title} is registered already; `pacs ae remove` it to change it"
            raise Conflict(told) from error
        self._cache = {}

    def remove(self, actor: Actor, title: str) -> bool:
        """False when there is none. Audited in the entity's organisation, whichever `actor` has."""
        gone = delete(entities).where(entities.c.title == title).returning(entities.c.org_id)
        with transaction(self._database) as under_way:
            organization = under_way.connection.execute(gone).scalar()
            if organization is not None:
                there = replace(actor, organization=organization)
                under_way.audit(AuditRecord(there, "ae.remove", "success", title))
        self._cache = {}
        return organization is not None


def _entity(row: dict[str, Any]) -> ApplicationEntity:
    return ApplicationEntity(
        title=row["title"],
        organization=row["org_id"],
        host=row["host"],
        port=row["port"],
        rights=frozenset(row["rights"].split(",")) - {""},
        tls=row["tls"],
    )
