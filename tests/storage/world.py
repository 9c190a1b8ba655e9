"""A small archive index of one process, and what is true of every one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from pacs.archive import Archive
from pacs.model import Received, Stored
from pacs.ports import Blobs
from storage.commits import CommitLimits
from storage.database import Database
from storage.index import Entries, SqlAuditTrail, SqlIndex, open_entries, open_prepared

LIMITS = CommitLimits(patience=60)

RECOUNTS = (
    """SELECT s.study_instance_uid, s.number_of_study_related_series,
         s.number_of_study_related_instances, s.size_bytes,
         (SELECT count(*) FROM series r WHERE r.study_pk = s.pk),
         (SELECT count(*) FROM instances i JOIN series r ON r.pk = i.series_pk WHERE r.study_pk = s.pk),
         (SELECT coalesce(sum(b.size), 0) FROM versions v JOIN blobs b ON b.address = v.blob
            JOIN instances i ON i.pk = v.instance_pk JOIN series r ON r.pk = i.series_pk
            WHERE r.study_pk = s.pk) FROM studies s""",
    """SELECT r.series_instance_uid, r.number_of_series_related_instances, r.size_bytes,
         (SELECT count(*) FROM instances i WHERE i.series_pk = r.pk),
         (SELECT coalesce(sum(b.size), 0) FROM versions v JOIN blobs b ON b.address = v.blob
            JOIN instances i ON i.pk = v.instance_pk WHERE i.series_pk = r.pk) FROM series r""",
    """SELECT p.pk, p.number_of_patient_related_studies, p.number_of_patient_related_series,
         p.number_of_patient_related_instances,
         (SELECT count(*) FROM studies s WHERE s.patient_pk = p.pk),
         (SELECT count(*) FROM series r JOIN studies s ON s.pk = r.study_pk WHERE s.patient_pk = p.pk),
         (SELECT count(*) FROM instances i JOIN series r ON r.pk = i.series_pk
            JOIN studies s ON s.pk = r.study_pk WHERE s.patient_pk = p.pk) FROM patients p""",
    """SELECT b.address, b.refcount, (SELECT count(*) FROM versions v WHERE v.blob = b.address)
         + (SELECT count(*) FROM kept_blobs k WHERE k.blob = b.address) FROM blobs b""",
    """SELECT h.org_id, h.patients, h.studies, h.announced, h.series, h.instances,
         (SELECT count(*) FROM patients p WHERE p.org_id = h.org_id),
         (SELECT count(*) FROM studies s WHERE s.org_id = h.org_id),
         (SELECT count(*) FROM studies s WHERE s.org_id = h.org_id AND s.state IN ('expected', 'cancelled')
            AND NOT EXISTS (SELECT * FROM series r WHERE r.study_pk = s.pk)),
         (SELECT count(*) FROM series r WHERE r.org_id = h.org_id),
         (SELECT count(*) FROM instances i WHERE i.org_id = h.org_id) FROM org_heads h""",
)
"""Rows of a name, what the archive says, and what counting again says."""


def assert_counts_true(database: Database) -> None:
    with database.read() as connection:
        for recount in RECOUNTS:
            for name, *numbers in connection.execute(text(recount)):
                half = len(numbers) // 2
                assert [*numbers[:half]] == [int(n) for n in numbers[half:]], name
        joined = text(
            "SELECT s.pk, s.modalities_in_study, r.modality FROM studies s JOIN series r ON r.study_pk = s.pk"
        )
        found = connection.execute(joined).all()
    for study, said in {(pk, modalities or "") for pk, modalities, _ in found}:
        words = {word for pk, _, m in found if pk == study and m for word in m.split("\\")}
        assert said == "\\".join(sorted(words))


def rows(database: Database, statement: str) -> list[dict[str, Any]]:
    with database.read() as connection:
        return [dict(row) for row in connection.execute(text(statement)).mappings()]


def events(database: Database) -> list[str]:
    return [row["kind"] for row in rows(database, "SELECT kind FROM changes ORDER BY seq")]


def actions(database: Database) -> list[str]:
    return [row["action"] for row in rows(database, "SELECT action FROM audit ORDER BY seq")]


@contextmanager
def archive_of(database: Database, blobs: Blobs) -> Iterator[Archive]:
    prepared_entries = open_prepared(database, LIMITS)
    try:
        with opened(database) as entries:
            yield Archive(blobs, SqlIndex(database, entries, prepared_entries), SqlAuditTrail(entries))
    finally:
        prepared_entries.close()


@contextmanager
def opened(database: Database, quiet_period: timedelta = timedelta(minutes=1)) -> Iterator[Entries]:
    entries = open_entries(database, lambda _: [], LIMITS, quiet_period)
    try:
        yield entries
    finally:
        entries.close()


def store(entries: Entries, received: Received) -> Stored:
    stored = entries.submit(received)
    assert stored is not None
    return stored
