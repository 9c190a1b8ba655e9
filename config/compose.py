"""The composition root: the one place where ports get their implementations.

Everything here is created after forking, since connections, locks and threads do not survive a fork.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from config import tls
from config.observer import DimseMetrics
from config.settings import Settings
from config.sources import secret_key
from dimse.association import Edge
from dimse.models import OPTIONS
from dimse.sending import Sending
from dimse.services import echo, find, get, move, store
from dimse.settings import DimseSettings
from pacs.access import Admission
from pacs.archive import Archive
from pacs.dicom.limits import Limits
from pacs.jobs.processing import Process
from pacs.jobs.restoring import Restore
from pacs.jobs.tasks import PROCESS, RESTORE, UPLOAD
from pacs.jobs.uploading import StoreUpload
from pacs.jobs.worker import Worker
from pacs.metadata import Metadata
from pacs.pixels.decode import DECODABLE
from pacs.pixels.pool import Inline
from pacs.pixels.tasks import Workers, decoded, encoded
from pacs.pixels.transcode import ENCODABLE
from pacs.rendering import Lifetimes, Rendering
from pacs.transcoding import Codecs, Transcoder
from storage.accounts.entities import SqlApplicationEntities
from storage.accounts.users import SqlAccounts
from storage.blobs import BlobStore, S3Access, SpoolLimits, any_store
from storage.blobs import open_blobs as open_store
from storage.blobs.faults import disk_faults
from storage.blobs.spool import free_space
from storage.commits import CommitLimits
from storage.database import Database
from storage.disk_cache import DiskCache
from storage.index import SqlAuditTrail, SqlIndex, open_entries, open_prepared
from storage.jobs import scheduled, settle
from storage.jobs.queue import SqlJobQueue
from storage.jobs.tasks import SqlTasks
from storage.jobs.wakeups import Wakeups
from storage.prepared import SqlVersions
from storage.study_management import deleting
from storage.study_management.studies import SqlStudyManagement
from storage.upkeep.history import History
from storage.upkeep.recognition import recognise
from storage.upkeep.sweep import Sweep
from storage.upkeep.tidying import Tidying


@dataclass(frozen=True)
class Installation:
    """One process's share of the archive."""

    settings: Settings
    database: Database
    blobs: BlobStore
    archive: Archive
    entities: SqlApplicationEntities
    accounts: SqlAccounts
    queue: SqlJobQueue
    workers: Workers
    cache: DiskCache


@contextmanager
def compose(
    settings: Settings, workers: Workers | None = None, anywhere: bool = False
) -> Iterator[Installation]:
    """Leaving the context commits what is deferred and closes connections and the spool.

    `workers` decode and render; without them, this process does. `anywhere`: accept even a store that has
    none of the indexed objects.
    """
    database = Database(settings.resolved_database_url)
    blobs = open_blobs(settings, None if anywhere else database)
    patience = CommitLimits(patience=settings.database_patience)
    entries = open_entries(database, blobs.missing, patience, timedelta(seconds=settings.quiet_period))
    prepared_entries = open_prepared(database, patience)
    cache = DiskCache(settings.data_dir / "cache", settings.cache_size)
    try:
        yield Installation(
            settings=settings,
            database=database,
            blobs=blobs,
            archive=Archive(
                blobs, SqlIndex(database, entries, prepared_entries), SqlAuditTrail(entries), limits(settings)
            ),
            entities=SqlApplicationEntities(database),
            accounts=SqlAccounts(database),
            queue=SqlJobQueue(database),
            workers=workers or Inline(),
            cache=cache,
        )
    finally:
        cache.close()
        entries.close()
        prepared_entries.close()
        blobs.close()
        database.close()


def limits(settings: Settings) -> Limits:
    return Limits(
        depth=settings.max_depth,
        elements=settings.max_elements,
        inflated_bytes=settings.max_inflated,
        inflate_ratio=settings.max_inflate_ratio,
        reserve=settings.free_space_reserve,
        scratch_folder=str(settings.data_dir),
    )


def open_blobs(settings: Settings, index: Database | None) -> BlobStore:
    """`index`: the store must have its objects; None accepts any store."""
    access = S3Access(
        settings.s3_endpoint,
        settings.s3_region,
        _revealed(settings.s3_access_key),
        _revealed(settings.s3_secret_key),
        settings.s3_public_endpoint,
    )
    spool = SpoolLimits(
        max_object=settings.max_object_size,
        reserve=settings.free_space_reserve,
        free_space=partial(_least_free, settings.database_file),
    )
    admit = any_store if index is None else partial(recognise, index)
    return open_store(settings.blobs_url, settings.data_dir, access, spool, admit)


def _least_free(database: Path | None, spool: Path) -> int:
    """Free bytes of the fuller of the disks that storing uses. A database server looks after its own."""
    folders = {spool} if database is None else {spool, database.parent}
    return min(map(free_space, folders))


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def prepare(settings: Settings) -> None:
    """Call before `compose`: makes the data folder and its secret key, and upgrades the schema."""
    from storage import migrations  # imports Alembic, which is not needed later

    with disk_faults():
        settings.data_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
        secret_key(settings)
    migrations.upgrade(settings.resolved_database_url)


def dimse_settings(settings: Settings) -> DimseSettings:
    return DimseSettings(
        max_length=settings.max_pdu,
        max_associations=settings.max_associations,
        request_timeout=settings.artim_timeout,
        idle_timeout=settings.idle_timeout,
        stall_timeout=settings.message_timeout,
        unknown_storage_classes=settings.private_sop_classes,
    )


def transcoder(installation: Installation) -> Transcoder:
    workers = installation.workers
    codecs = Codecs(DECODABLE, partial(decoded, workers), ENCODABLE, partial(encoded, workers))
    return Transcoder(codecs, limits(installation.settings))


def metadata(installation: Installation) -> Metadata:
    return Metadata(installation.archive, SqlVersions(installation.database))


def rendering(installation: Installation) -> Rendering:
    settings = installation.settings
    lifetimes = Lifetimes(settings.cache_thumbnails, settings.cache_previews, settings.cache_full)
    return Rendering(installation.archive, installation.workers, installation.cache, lifetimes)


def dimse_edge(installation: Installation) -> Edge:
    settings, archive = installation.settings, installation.archive
    sending = Sending(archive, transcoder(installation))
    return Edge(
        services=(
            echo.SERVICE,
            store.service(archive),
            find.service(archive, find.FindSettings(settings.ae_title, settings.max_find_answers)),
            get.service(sending),
            move.service(sending, outbound(installation)),
        ),
        admission=Admission(installation.entities, None if settings.any_called_title else settings.ae_title),
        observer=DimseMetrics(),
        settings=dimse_settings(settings),
        options=OPTIONS,
    )


def outbound(installation: Installation) -> move.Outbound:
    settings = installation.settings
    return move.Outbound(
        installation.entities, settings.ae_title, settings.destination_timeout, tls.calling(settings)
    )


def worker(installation: Installation, name: str, stopping: Callable[[], bool] = lambda: False) -> Worker:
    """`stopping`: whether it is about to end, so that long jobs interrupt themselves."""
    quiet_period = timedelta(seconds=installation.settings.quiet_period)
    tasks = SqlTasks(installation.database, installation.blobs.missing)
    as_stored = replace(installation.archive, complete_only=False)
    return Worker(
        queue=installation.queue,
        handlers={
            settle.KIND: settle.SettleStudy(installation.database, quiet_period),
            deleting.PURGE: deleting.PurgeDeletion(installation.database),
            scheduled.VERIFY: scheduled.VerifyAudit(
                installation.database, timedelta(seconds=installation.settings.audit_verify_every)
            ),
            UPLOAD: StoreUpload(installation.archive, tasks, stopping),
            PROCESS: Process(tasks, metadata(installation), rendering(installation), stopping),
            RESTORE: Restore(as_stored, tasks, SqlStudyManagement(installation.database), stopping),
        },
        name=name,
        lease=timedelta(seconds=installation.settings.job_lease),
        wait=Wakeups(installation.database).wait,
    )


def sweep(installation: Installation) -> Sweep:
    grace = timedelta(seconds=installation.settings.sweep_grace)
    return Sweep(installation.database, installation.blobs, grace)


def history(installation: Installation) -> History:
    return History(installation.database, timedelta(days=installation.settings.history_days))


def cache_tidying(installation: Installation) -> Tidying:
    settings = installation.settings
    lasts = max(settings.cache_thumbnails, settings.cache_previews, settings.cache_full)
    return Tidying(installation.database, installation.cache, lasts)


def store_is_ready(blobs: BlobStore) -> None:
    """Raises when the store does not answer or cannot be written; `StorageFull` below the reserve."""
    blobs.ready()
    with blobs.spool() as spooled:
        spooled.write(b"ready?")
        spooled.seal()
