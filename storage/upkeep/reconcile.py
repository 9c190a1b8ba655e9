"""What a start looks at first, because the last run may have ended without warning.

Spool files of processes that are gone were never acknowledged and go. Removals that were under way
are finished. The blobs of the last moments before the end are looked for: each must lie there whole.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import func, select

from pacs.model import Blob
from storage.blobs import BlobStore
from storage.blobs.spool import abandoned
from storage.database import Database
from storage.tables import blobs, instances, organizations, series, studies, versions
from storage.upkeep.sweep import Sweep
from storage.upkeep.verify import Finding, Kind, affected_by

log = structlog.get_logger(__name__)

LAST_MOMENTS = timedelta(minutes=10)
"""Before the newest instance, not before now: the power may have been away for long."""

_AT_MOST = 10_000  # blobs looked for, the newest first


@dataclass(frozen=True, slots=True)
class Reconciled:
    abandoned: int
    removed: int
    checked: int
    damage: tuple[Finding, ...]


def reconcile(database: Database, store: BlobStore) -> Reconciled:
    """Safe to run while other processes and nodes are at work."""
    thrown_away = remove_abandoned(store)
    removed = finish_removals(database, store)
    recent = last_moments(database)
    damage = tuple(
        Finding(Kind.MISSING, blob.address, "not there in its full size", affected_by(database, blob.address))
        for blob in store.missing(recent)
    )
    for finding in damage:
        uids = [each.sop_instance_uid for each in finding.affected]
        log.error("damage", kind=finding.kind.name, blob=finding.subject, instances=uids)
    log.info("reconciled", abandoned=thrown_away, removed=removed, checked=len(recent), damage=len(damage))
    return Reconciled(thrown_away, removed, len(recent), damage)


def remove_abandoned(store: BlobStore) -> int:
    """Files thrown away."""
    files = 0
    for folder in abandoned(store.spool_root):
        left = sum(1 for _ in folder.iterdir())
        shutil.rmtree(folder)
        log.info("abandoned spool removed", folder=folder.name, files=left)
        files += left
    return files


def finish_removals(database: Database, store: BlobStore) -> int:
    sweep, removed = Sweep(database, store), 0
    while deleted := sweep.delete_claimed():
        removed += deleted
    return removed


def last_moments(database: Database) -> list[Blob]:
    """Blobs of the instances that came last."""
    everywhere = studies.c.org_id.in_(select(organizations.c.id))  # so that the index by time serves
    with database.read() as connection:
        newest = connection.execute(select(func.max(studies.c.last_received_at)).where(everywhere)).scalar()
        if newest is None:
            return []
        since = newest - LAST_MOMENTS
        recent = (
            select(blobs.c.address, blobs.c.size)
            .join(versions, versions.c.blob == blobs.c.address)
            .join(instances, instances.c.pk == versions.c.instance_pk)
            .join(series, series.c.pk == instances.c.series_pk)
            .join(studies, studies.c.pk == series.c.study_pk)
            .where(everywhere, studies.c.last_received_at >= since, versions.c.received_at >= since)
            .order_by(versions.c.received_at.desc())
            .limit(_AT_MOST)
        )
        return [Blob(row.address, row.size) for row in connection.execute(recent)]
