"""Recovery at start, as the last run may have ended in a crash.

Spool files of ended processes were never acknowledged and are removed. Interrupted removals of blobs are
finished. The blobs of the last moments before the end are checked for presence and size.
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
from storage.upkeep.recognition import recognise
from storage.upkeep.sweep import Sweep
from storage.upkeep.verify import Finding, Kind, affected_by

log = structlog.get_logger(__name__)

LAST_MOMENTS = timedelta(minutes=10)
"""Counted back from the newest instance, not from now: the power may have been off for long."""

_AT_MOST = 10_000  # blobs that are checked, the newest first


@dataclass(frozen=True, slots=True)
class Reconciled:
    abandoned: int
    removed: int
    checked: int
    damage: tuple[Finding, ...]


def reconcile(database: Database, store: BlobStore) -> Reconciled:
    """Safe to run while other processes and nodes are working. `WrongStore`: nothing was done."""
    recognise(database, store)
    thrown_away = remove_abandoned(store)
    removed = finish_removals(database, store)
    recent = last_moments(database)
    damage = tuple(
        Finding(Kind.MISSING, blob.address, "missing or incomplete", affected_by(database, blob.address))
        for blob in store.missing(recent)
    )
    for finding in damage:
        uids = [each.sop_instance_uid for each in finding.affected]
        log.error("damage", kind=finding.kind.name, blob=finding.subject, instances=uids)
    tell = log.info if thrown_away or removed or damage else log.debug
    tell("reconciled", abandoned=thrown_away, removed=removed, checked=len(recent), damage=len(damage))
    return Reconciled(thrown_away, removed, len(recent), damage)


def remove_abandoned(store: BlobStore) -> int:
    """Returns the number of removed files."""
    files = 0
    for folder in abandoned(store.spool_root):
        left = sum(1 for _ in folder.iterdir())
        shutil.rmtree(folder)
        log.info("abandoned spool removed", folder=folder.name, files=left)
        files += left
    return files


def finish_removals(database: Database, store: BlobStore) -> int:
    sweep, removed = Sweep(database, store), 0
    more = sweep.may_remove()
    while more:
        deleted, more = sweep.delete_claimed()
        removed += deleted
    return removed


def last_moments(database: Database) -> list[Blob]:
    """The blobs of the instances received last."""
    everywhere = studies.c.org_id.in_(select(organizations.c.id))  # lets the index by time be used
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
