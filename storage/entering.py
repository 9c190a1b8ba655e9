"""Entering received objects into the index: all of a batch in one transaction, or none.

- Patients and studies are locked first (`storage.locked_studies`), blobs, jobs and the organisation's head
  last: in the order that `storage.tables` states.
- Counts, modalities, SOP classes and sizes of parent rows are updated incrementally, never recounted. A size
  is the bytes of all stored versions.
- The first instance describes its patient, study and series; later ones fill in missing attributes.
- The same data set in the same transfer syntax, under any file header, changes nothing, unless the stored
  bytes are missing or damaged: then the received blob replaces them in the version.
- An instance that names another patient than its study's is stored in the study, which is flagged; it
  describes neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import bindparam, func, insert, select

from pacs.actor import Actor
from pacs.attributes import Level
from pacs.errors import BlobVanishing
from pacs.model import AuditRecord, Blob, Outcome, Received, Stored, VersionKey
from pacs.study_states import NEW_IMAGES, PATIENT_CONFLICT, State, is_late, on_arrival
from storage import clock
from storage.feeds import RetryTransaction, Transaction
from storage.instance_versions import InstanceVersions
from storage.locked_rows import LockedRow, insert_items, lock_or_insert, note_others
from storage.locked_studies import LockedStudies, LockedStudy
from storage.references import Missing, References
from storage.rows import attribute_row, item_rows, patient_identity, said_of_patient
from storage.statements import rows, scalar
from storage.tables import instances

_SAME_UID = select(instances.c.pk, instances.c.series_pk).where(
    instances.c.org_id == bindparam("org"), instances.c.sop_instance_uid == bindparam("uid")
)


@cache
def _insert_instance(dialect: str) -> Any:
    """A key is never used again, because keys of versions outlive the transaction that read them. SQLite
    would reuse that of a deleted last row; the time is greater."""
    new = insert(instances).returning(instances.c.pk)
    if dialect != "sqlite":
        return new
    last = select(func.max(instances.c.pk)).scalar_subquery()
    return new.values(pk=func.max(func.coalesce(last, 0) + 1, clock.now(dialect)))


def store_batch(
    transaction: Transaction, received: Sequence[Received], quiet_period: timedelta, missing: Missing
) -> list[Stored]:
    """`RetryTransaction`: roll back, and try again without the objects whose blob is being swept."""
    studies = LockedStudies(transaction, quiet_period)
    studies.lock(received)
    batch = _Batch(transaction, studies, missing)
    stored = [batch.enter(item) for item in received]
    batch.finish(received)
    return stored


class _Batch:
    def __init__(self, transaction: Transaction, studies: LockedStudies, missing: Missing) -> None:
        self._transaction = transaction
        self._connection = transaction.connection
        self._studies = studies
        self._versions = InstanceVersions(transaction)
        self._references = References(missing)
        self._audit: dict[tuple[Actor, str, str], list[str]] = {}

    def enter(self, item: Received) -> Stored:
        entry = self._studies.of(item)
        series = self._series(entry, item)
        name = {"org": item.actor.organization, "uid": item.identity.sop_instance_uid}
        known = rows(self._connection, _SAME_UID, name)
        for pk, series_pk in known:
            if series_pk == series.pk:
                return self._enter_again(entry, series, pk, item)
        if known:
            self._report(item, "instance.duplicate_uid", "store.duplicate_uid")
        return Stored(Outcome.CREATED, item.identity, item.blob, self._create(entry, series, item))

    def _series(self, entry: LockedStudy, item: Received) -> LockedRow:
        uid = item.identity.series_instance_uid
        if (series := entry.series.get(uid)) is None:
            row = {
                "org_id": item.actor.organization,
                "study_pk": entry.study.pk,
                "series_instance_uid": uid,
                **_NO_INSTANCES,
            }
            series, new = lock_or_insert(self._transaction, Level.SERIES, row, item.values)
            entry.series[uid] = series
            if new:
                entry.study["number_of_study_related_series"] += 1
                entry.patient["number_of_patient_related_series"] += 1
        return series

    def _create(self, entry: LockedStudy, series: LockedRow, item: Received) -> VersionKey:
        row = attribute_row(Level.IMAGE, item.values)
        row["org_id"] = item.actor.organization
        row["series_pk"] = series.pk
        row["sop_instance_uid"] = item.identity.sop_instance_uid
        row["sop_class_uid"] = item.identity.sop_class_uid
        row["available_transfer_syntax_uid"] = item.transfer_syntax
        row["current_version"] = 1
        pk = scalar(self._connection, _insert_instance(self._connection.dialect.name), row)
        self._transaction.tally(row["org_id"], instances.name, 1)
        insert_items(self._connection, item_rows(row["org_id"], Level.IMAGE, pk, item.values))
        self._versions.begin(pk)
        version = self._keep(entry, series, pk, item)
        series["number_of_series_related_instances"] += 1
        entry.study["number_of_study_related_instances"] += 1
        entry.patient["number_of_patient_related_instances"] += 1
        self._describe(entry, series, item)
        self._note(item, "store")
        return version

    def _enter_again(self, entry: LockedStudy, series: LockedRow, pk: int, item: Received) -> Stored:
        if found := self._versions.find(pk, item):
            return self._repeat(entry, series, found, item)
        version = self._keep(entry, series, pk, item)
        self._report(item, "instance.version", "store.version")
        return Stored(Outcome.VERSION, item.identity, item.blob, version)

    def _repeat(
        self, entry: LockedStudy, series: LockedRow, found: tuple[VersionKey, Blob], item: Received
    ) -> Stored:
        version, blob = found
        if blob.address != item.blob.address:
            if blob.address in item.damaged or self._references.gone(blob):
                self._heal(entry, series, version, item)
                return Stored(Outcome.DUPLICATE, item.identity, item.blob, version)
            self._references.spare(item.blob)
        self._note(item, "store.duplicate")
        return Stored(Outcome.DUPLICATE, item.identity, blob)

    def _heal(self, entry: LockedStudy, series: LockedRow, version: VersionKey, item: Received) -> None:
        """Replace the missing or damaged blob of a version by the received one."""
        lost = self._versions.replace(version, item)
        self._references.give_up(lost)
        self._refer(entry, series, item.blob)
        series["size_bytes"] -= lost.size
        entry.study["size_bytes"] -= lost.size
        self._note(item, "store.healed")

    def _keep(self, entry: LockedStudy, series: LockedRow, pk: int, item: Received) -> VersionKey:
        version = self._versions.append(pk, item)
        self._refer(entry, series, item.blob)
        entry.study["last_received_at"] = max(entry.study["last_received_at"], self._transaction.now)
        self._arrive(entry, item)
        return version

    def _refer(self, entry: LockedStudy, series: LockedRow, blob: Blob) -> None:
        self._references.add(blob)
        series["size_bytes"] += blob.size
        entry.study["size_bytes"] += blob.size

    def _arrive(self, entry: LockedStudy, item: Received) -> None:
        state = State(entry.study["state"])
        entry.study["state"] = on_arrival(state).value
        if not entry.study["number_of_study_related_instances"]:
            entry.study["modalities_in_study"] = None  # announced, not received
            entry.study["first_received_at"] = self._transaction.now
            if state is not State.RECEIVING:
                _name_anew(entry, item)
        if state is State.EXPECTED:
            self._studies.begin(entry, item)
        elif is_late(state):
            first = _add_words(entry.study, "flags", NEW_IMAGES)
            if first or entry.study["state"] != state.value:
                uid = item.identity.study_instance_uid
                self._transaction.announce(item.actor, "study.late_images", uid, state=state.value)
            self._studies.settle(entry, item)

    def _describe(self, entry: LockedStudy, series: LockedRow, item: Received) -> None:
        uid = item.identity.study_instance_uid
        if patient_identity(item.values, uid) == entry.patient["identity"]:
            entry.patient.fill(self._connection, item.values)
            entry.study.fill(self._connection, item.values)
            note_others(entry.patient, entry.study)
        elif _add_words(entry.study, "flags", PATIENT_CONFLICT):
            self._report(item, "study.patient_conflict", "store.patient_conflict")
        series.fill(self._connection, item.values)
        _add_words(entry.study, "modalities_in_study", series["modality"])
        _add_words(entry.study, "sop_classes_in_study", item.identity.sop_class_uid)

    def _report(self, item: Received, event: str, action: str) -> None:
        named = item.identity
        self._transaction.announce(
            item.actor,
            event,
            named.study_instance_uid,
            series_instance_uid=named.series_instance_uid,
            sop_instance_uid=named.sop_instance_uid,
        )
        self._note(item, action)

    def _note(self, item: Received, action: str) -> None:
        """One audit record for all instances of a study that one peer sent in this batch."""
        key = (item.actor, action, item.identity.study_instance_uid)
        self._audit.setdefault(key, []).append(item.identity.sop_instance_uid)

    def finish(self, received: Sequence[Received]) -> None:
        """Write what `enter` has collected."""
        if vanishing := self._references.write(self._connection):
            raise RetryTransaction({id(i): BlobVanishing() for i in received if i.blob.address in vanishing})
        self._versions.write()
        self._studies.flush()
        for (actor, action, study), uids in self._audit.items():
            self._transaction.audit(AuditRecord(actor, action, "success", study, {"instances": uids}))


def _name_anew(entry: LockedStudy, item: Received) -> None:
    """Whose study it is, is for its images to say, not for its announcement."""
    if patient_identity(item.values, item.identity.study_instance_uid) == entry.patient["identity"]:
        for column, value in said_of_patient(item.values).items():
            if value is not None:
                entry.study[column] = value


_NO_INSTANCES = {"number_of_series_related_instances": 0, "size_bytes": 0}


def _add_words(row: LockedRow, column: str, value: str | None) -> bool:
    """Add words to a column that holds them in alphabetical order, joined by backslashes. Returns whether any
    was new."""
    words = row[column].split("\\") if row[column] else []
    new = {word for word in value.split("\\") if word}.difference(words) if value else None
    if not new:
        return False
    row[column] = "\\".join(sorted([*words, *new]))
    return True
