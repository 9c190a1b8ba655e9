"""Where instances lie, found by their UIDs: the way of every retrieval over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import bindparam, func, select

from pacs.model import Blob, Identity, StoredInstance
from storage.database import Database
from storage.statements import rows
from storage.tables import blobs, instances, series, studies, versions

_LAST_NUMBER = (1 << 63) - 1

_FOUND = (
    select(
        studies.c.study_instance_uid,
        series.c.series_instance_uid,
        instances.c.sop_instance_uid,
        instances.c.sop_class_uid,
        versions.c.transfer_syntax,
        versions.c.blob,
        blobs.c.size,
        versions.c.dataset_offset,
        versions.c.frames,
    )
    .select_from(studies)
    .join(series, series.c.study_pk == studies.c.pk)
    .join(instances, instances.c.series_pk == series.c.pk)
    .join(
        versions,
        (versions.c.instance_pk == instances.c.pk) & (versions.c.n == instances.c.current_version),
    )
    .join(blobs, blobs.c.address == versions.c.blob)
    .where(studies.c.org_id == bindparam("org"), studies.c.study_instance_uid == bindparam("study"))
)
_SERIES = series.c.series_instance_uid == bindparam("series")
_INSTANCE = instances.c.sop_instance_uid == bindparam("sop")
_ORDER = (
    func.coalesce(series.c.series_number_key, _LAST_NUMBER),
    series.c.pk,
    func.coalesce(instances.c.instance_number_key, _LAST_NUMBER),
    instances.c.pk,
)
_OF_STUDY = _FOUND.order_by(*_ORDER)
_OF_SERIES = _FOUND.where(_SERIES).order_by(*_ORDER)
_ONE = _FOUND.where(_SERIES, _INSTANCE)
_ONE_OF_STUDY = _FOUND.where(_INSTANCE)


def retrieve(
    database: Database, organization: int, study: str, series: str | None, sop: str | None
) -> Iterator[StoredInstance]:
    """The current versions in that study, or in a series of it, or the one; none when there is none."""
    given: dict[str, Any] = {"org": organization, "study": study}
    statement = _OF_STUDY if sop is None else _ONE_OF_STUDY
    if series is not None:
        given["series"], statement = series, _OF_SERIES if sop is None else _ONE
    if sop is not None:
        given["sop"] = sop
    with database.read() as connection:
        found = rows(connection, statement, given)
    for row in found:
        yield _instance(row)


def _instance(row: Sequence[Any]) -> StoredInstance:
    study, series, sop, sop_class, syntax, address, size, offset, frames = row
    return StoredInstance(
        Identity(sop_class, sop, series, study), syntax, Blob(address, size), offset, frames
    )
