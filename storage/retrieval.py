"""Looking up stored instances by UID, for every retrieval over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from pacs.model import Blob, Identity, StoredInstance
from storage.database import Database
from storage.statements import rows
from storage.tables import blobs, instances, series, studies, versions

_LAST_NUMBER = (1 << 63) - 1

COLUMNS = (
    studies.c.study_instance_uid,
    series.c.series_instance_uid,
    instances.c.sop_instance_uid,
    instances.c.sop_class_uid,
    versions.c.transfer_syntax,
    versions.c.blob,
    blobs.c.size,
    versions.c.dataset_offset,
)
"""The columns of a `StoredInstance` without its frames."""

_SERIES = series.c.series_instance_uid == bindparam("series")
_INSTANCE = instances.c.sop_instance_uid == bindparam("sop")
_ORDER = (
    func.coalesce(series.c.series_number_key, _LAST_NUMBER),
    series.c.pk,
    func.coalesce(instances.c.instance_number_key, _LAST_NUMBER),
    instances.c.pk,
)


class CurrentVersions:
    """Statements for `columns` of the current versions in a study, in a series of it, or of the one.

    `sized`: some of them are of `blobs`.
    """

    def __init__(self, columns: Sequence[Any], sized: bool = True) -> None:
        found: Select[Any] = (
            select(*columns)
            .select_from(studies)
            .join(series, series.c.study_pk == studies.c.pk)
            .join(instances, instances.c.series_pk == series.c.pk)
            .join(
                versions,
                (versions.c.instance_pk == instances.c.pk) & (versions.c.n == instances.c.current_version),
            )
            .where(studies.c.org_id == bindparam("org"), studies.c.study_instance_uid == bindparam("study"))
        )
        if sized:
            found = found.join(blobs, blobs.c.address == versions.c.blob)
        self._of_study = found.order_by(*_ORDER)
        self._of_series = found.where(_SERIES).order_by(*_ORDER)
        self._one = found.where(_SERIES, _INSTANCE)
        self._one_of_study = found.where(_INSTANCE)

    def rows(
        self, connection: Connection, organization: int, study: str, series: str | None, sop: str | None
    ) -> list[Sequence[Any]]:
        given: dict[str, Any] = {"org": organization, "study": study}
        statement = self._of_study if sop is None else self._one_of_study
        if series is not None:
            given["series"], statement = series, self._of_series if sop is None else self._one
        if sop is not None:
            given["sop"] = sop
        return rows(connection, statement, given)


_WITH_FRAMES = CurrentVersions((*COLUMNS, versions.c.frames))


def retrieve(
    database: Database, organization: int, study: str, series: str | None, sop: str | None
) -> Iterator[StoredInstance]:
    """The current versions in a study, in one of its series, or of one instance."""
    with database.read_row() if sop else database.read() as connection:
        found = _WITH_FRAMES.rows(connection, organization, study, series, sop)
    for row in found:
        yield instance(row)


def instance(row: Sequence[Any]) -> StoredInstance:
    """From a row of `COLUMNS`, optionally followed by the frames."""
    study, series, sop, sop_class, syntax, address, size, offset, *frames = row
    return StoredInstance(
        Identity(sop_class, sop, series, study), syntax, Blob(address, size), offset, *frames
    )
