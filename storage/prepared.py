"""Prepared metadata of each version, written soon after it was received or when it was first requested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any

import orjson
from sqlalchemy import ARRAY, BigInteger, Connection, bindparam, case, func, select
from sqlalchemy.exc import IntegrityError

from pacs.model import Prepared, StoredInstance, VersionKey, VersionList
from pacs.prepared import FORMAT
from storage.database import Database
from storage.retrieval import COLUMNS, CurrentVersions, instance
from storage.statements import rows, run
from storage.tables import blobs, instances, prepared_metadata, series, studies, versions
from storage.upsert import INSERT

LONGEST = 16 << 10
"""Bytes up to which prepared texts are read together; a longer one is read alone."""

_KEY = (versions.c.instance_pk, versions.c.n)
_UIDS = (series.c.series_instance_uid, instances.c.sop_instance_uid)
_CURRENT = CurrentVersions((*_KEY, *_UIDS, versions.c.blob), sized=False)
_CONTENT = prepared_metadata.c.content
_SHORT = case((func.length(_CONTENT) <= LONGEST, _CONTENT)).label("content")
_PREPARED_KEY = (prepared_metadata.c.instance_pk, prepared_metadata.c.n)
_PREPARED = (prepared_metadata.c.org_id == bindparam("org")) & (prepared_metadata.c.format == FORMAT)
_INSTANCES = (
    select(*_KEY, *COLUMNS)
    .select_from(versions)
    .join(instances, instances.c.pk == versions.c.instance_pk)
    .join(series, series.c.pk == instances.c.series_pk)
    .join(studies, studies.c.pk == series.c.study_pk)
    .join(blobs, blobs.c.address == versions.c.blob)
    .where(versions.c.org_id == bindparam("org"))
)


_CONTENT_OF_ONE = select(*_PREPARED_KEY, _CONTENT).where(
    _PREPARED, prepared_metadata.c.instance_pk == bindparam("pk")
)
_INSTANCE = _INSTANCES.where(versions.c.instance_pk == bindparam("pk"))


@cache
def _among_many(dialect: str) -> tuple[Any, Any]:
    """The same for any number of instances, given as one parameter."""
    if dialect == "sqlite":
        pks = select(func.json_each(bindparam("pks")).table_valued("value").c.value)
    else:
        pks = select(func.unnest(bindparam("pks", type_=ARRAY(BigInteger))).column_valued())
    contents = select(*_PREPARED_KEY, _SHORT).where(_PREPARED, prepared_metadata.c.instance_pk.in_(pks))
    return contents, _INSTANCES.where(versions.c.instance_pk.in_(pks))


@cache
def _keep(dialect: str) -> Any:
    """Insert only where the version still exists. Its row is locked first, against concurrent deletion."""
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


def _by_key(
    database: Database, one: Any, many: Any, organization: int, keys: Sequence[VersionKey]
) -> dict[VersionKey, Sequence[Any]]:
    """The columns after the key, for all versions of these instances."""
    if len(keys) == 1:
        with database.read_row() as connection:
            found = rows(connection, one, {"org": organization, "pk": keys[0][0]})
    else:
        pks = [pk for pk, _ in keys]
        given = orjson.dumps(pks).decode() if database.dialect == "sqlite" else pks
        with database.read() as connection:
            found = rows(connection, many, {"org": organization, "pks": given})
    return {(pk, n): columns for pk, n, *columns in found}


def keep(connection: Connection, prepared: Iterable[Prepared]) -> None:
    """Write them in the order of their keys; versions deleted meanwhile are skipped."""
    many = []
    for each in sorted(prepared, key=lambda each: each.version):
        pk, n = each.version
        many.append({"org": each.organization, "pk": pk, "version": n, "content": each.metadata})
    run(connection, _keep(connection.dialect.name), many)


@dataclass(frozen=True, slots=True)
class SqlVersions:
    """Implements `pacs.ports.Versions`."""

    database: Database

    def current(
        self, organization: int, study: str, series: str | None, sop: str | None
    ) -> VersionList | None:
        with self.database.read_row() if sop else self.database.read() as connection:
            found = _CURRENT.rows(connection, organization, study, series, sop)
        if not found:
            return None
        fingerprint = blake2b("".join([row[4] for row in found]).encode(), digest_size=16)
        return VersionList(
            keys=[(row[0], row[1]) for row in found],
            uids=[(row[2], row[3]) for row in found],
            fingerprint=fingerprint.hexdigest(),
        )

    def prepared(self, organization: int, keys: Sequence[VersionKey]) -> Mapping[VersionKey, bytes | None]:
        many, _ = _among_many(self.database.dialect)
        found = _by_key(self.database, _CONTENT_OF_ONE, many, organization, keys)
        return {key: content for key, (content,) in found.items()}

    def instances(
        self, organization: int, keys: Sequence[VersionKey]
    ) -> Sequence[tuple[VersionKey, StoredInstance]]:
        _, many = _among_many(self.database.dialect)
        found = _by_key(self.database, _INSTANCE, many, organization, keys)
        return [(key, instance(found[key])) for key in keys if key in found]

    def keep(self, organization: int, prepared: Mapping[VersionKey, bytes]) -> None:
        try:
            with self.database.write() as connection:
                keep(connection, (Prepared(organization, key, made) for key, made in prepared.items()))
        except IntegrityError:
            return  # a version was deleted meanwhile
