"""What is prepared of each version, kept beside it: soon after it came, or when somebody asked for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.exc import IntegrityError

from pacs.model import HeldVersion, HeldVersions, Prepared, VersionKey
from pacs.prepared import FORMAT
from storage.database import Database
from storage.retrieval import COLUMNS, CurrentVersions, instance
from storage.statements import rows, run
from storage.tables import blobs, instances, prepared_metadata, series, studies, versions
from storage.upsert import INSERT

_KEY = (versions.c.instance_pk, versions.c.n)
_OF_VERSION = (
    (prepared_metadata.c.instance_pk == versions.c.instance_pk)
    & (prepared_metadata.c.n == versions.c.n)
    & (prepared_metadata.c.format == FORMAT)
)
_SIZE = select(func.length(prepared_metadata.c.content)).where(_OF_VERSION).scalar_subquery()
_CURRENT = CurrentVersions((*_KEY, versions.c.blob, _SIZE.label("size")))
_VERSIONS = (
    select(*_KEY, prepared_metadata.c.content, *COLUMNS)
    .select_from(versions)
    .join(instances, instances.c.pk == versions.c.instance_pk)
    .join(series, series.c.pk == instances.c.series_pk)
    .join(studies, studies.c.pk == series.c.study_pk)
    .join(blobs, blobs.c.address == versions.c.blob)
    .outerjoin(prepared_metadata, _OF_VERSION)
    .where(versions.c.org_id == bindparam("org"))
)
_OF_ONE = _VERSIONS.where(versions.c.instance_pk == bindparam("pk"))
_OF_MANY = _VERSIONS.where(versions.c.instance_pk.in_(bindparam("pks", expanding=True)))


@cache
def _keep(dialect: str) -> Any:
    """Where the version still is. It is held first, so that nobody who deletes it is met half-way."""
    content = bindparam("content", type_=prepared_metadata.c.content.type)
    of_version = select(*_KEY, versions.c.org_id, bindparam("format", FORMAT), content).where(
        versions.c.instance_pk == bindparam("pk"),
        versions.c.n == bindparam("version"),
        versions.c.org_id == bindparam("org"),
    )
    of_version = of_version.with_for_update(read=True, key_share=True)
    new = INSERT[dialect](prepared_metadata).from_select(
        ["instance_pk", "n", "org_id", "format", "content"], of_version
    )
    return new.on_conflict_do_update(
        index_elements=["instance_pk", "n"],
        set_={"format": new.excluded.format, "content": new.excluded.content},
    )


def _versions(
    connection: Connection, organization: int, keys: Sequence[VersionKey]
) -> Iterable[Sequence[Any]]:
    """All versions of these instances."""
    if len(keys) == 1:
        return rows(connection, _OF_ONE, {"org": organization, "pk": keys[0][0]})
    return connection.execute(_OF_MANY, {"org": organization, "pks": [pk for pk, _ in keys]})


def keep(connection: Connection, prepared: Iterable[Prepared]) -> None:
    """In the order of their keys, as everywhere; nothing happens to versions that are gone."""
    many = []
    for each in sorted(prepared, key=lambda each: each.version):
        pk, n = each.version
        many.append({"org": each.organization, "pk": pk, "version": n, "content": each.metadata})
    run(connection, _keep(connection.dialect.name), many)


@dataclass(frozen=True, slots=True)
class SqlVersions:
    """Implements `pacs.ports.Versions`."""

    database: Database

    def held(self, organization: int, study: str, series: str | None, sop: str | None) -> HeldVersions | None:
        with self.database.glance() if sop else self.database.read() as connection:
            found = _CURRENT.rows(connection, organization, study, series, sop)
        if not found:
            return None
        keys = [(pk, n) for pk, n, _, _ in found]
        state = blake2b("".join(blob for _, _, blob, _ in found).encode(), digest_size=16)
        return HeldVersions(keys, [size or 0 for *_, size in found], state.hexdigest())

    def read(self, organization: int, keys: Sequence[VersionKey]) -> list[HeldVersion]:
        with self.database.glance() if len(keys) == 1 else self.database.read() as connection:
            found = {(row[0], row[1]): row for row in _versions(connection, organization, keys)}
        return [HeldVersion(key, instance(row[3:]), row[2]) for key in keys if (row := found.get(key))]

    def keep(self, organization: int, prepared: Mapping[VersionKey, bytes]) -> None:
        try:
            with self.database.write() as connection:
                keep(connection, (Prepared(organization, key, made) for key, made in prepared.items()))
        except IntegrityError:
            return  # a version went while this was written
