"""Changes to studies by users: announced before their images, amended, deleted, restored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pacs.actor import Actor
from pacs.attributes import Level
from pacs.errors import Conflict, NotFound
from pacs.jobs.tasks import Task
from pacs.model import AuditRecord
from pacs.study_management import RETENTION, Amendment, Deletion, Expected
from pacs.study_states import State, move
from storage.database import Database
from storage.feeds import Transaction, transaction, undisturbed
from storage.locked_rows import LockedRow, lock_or_insert, lock_row
from storage.locked_studies import NO_SERIES, NO_STUDIES
from storage.rows import Row, attribute_row, patient_identity
from storage.study_management import restoring
from storage.study_management.deleting import DeletionRequest, delete_objects


@dataclass(frozen=True, slots=True)
class SqlStudyManagement:
    """Implements `pacs.ports.StudyManagement`."""

    database: Database
    retention: timedelta = RETENTION

    def expect(self, actor: Actor, expected: Expected) -> None:
        undisturbed(self.database, lambda under_way: _expect(under_way, actor, expected))

    def amend(self, actor: Actor, study: str, amendment: Amendment) -> None:
        with transaction(self.database) as under_way:
            locked = lock_row(
                under_way.connection,
                Level.STUDY,
                {"org_id": actor.organization, "study_instance_uid": study},
            )
            if locked is None:
                raise NotFound
            changed = _amend(under_way, locked, amendment)
            under_way.audit(AuditRecord(actor, "study.update", "success", study, {"changed": changed}))
            under_way.announce(actor, "study.updated", study, state=locked["state"])

    def delete(self, actor: Actor, study: str, sop: str | None, reason: str) -> Deletion:
        return delete_objects(self.database, DeletionRequest(actor, study, sop, reason), self.retention)

    def deletions(
        self, organization: int, limit: int, offset: int, *, restorable: bool = False
    ) -> tuple[list[Deletion], int | None]:
        return restoring.deleted(self.database, organization, (limit, offset), restorable)

    def deletion(self, organization: int, number: str) -> Deletion | None:
        return restoring.deletion(self.database, organization, number)

    def restore(self, actor: Actor, deletion: str) -> Task:
        return restoring.restore(self.database, actor, deletion)

    def restore_details(self, organization: int, deletion: str) -> None:
        restoring.restore_details(self.database, organization, deletion)

    def undo_restore(self, task: Task, deletion: str) -> None:
        restoring.undo_restore(self.database, task, deletion, self.retention)


def _expect(under_way: Transaction, actor: Actor, expected: Expected) -> None:
    organization, uid, values = actor.organization, expected.study_instance_uid, expected.values
    row: Row = {"org_id": organization, "identity": patient_identity(values, uid), **NO_STUDIES}
    patient, _ = lock_or_insert(under_way, Level.PATIENT, row, values)
    row = {
        "org_id": organization,
        "study_instance_uid": uid,
        "patient_pk": patient.pk,
        "state": State.EXPECTED.value,
        "flags": "",
        "priority": expected.priority.value,
        "clinical_notes": expected.clinical_notes,
        "body_part": expected.body_part,
        "first_received_at": under_way.now,
        "last_received_at": under_way.now,
        "version": 1,
        **NO_SERIES,
        "modalities_in_study": values.get("Modality"),
    }
    _, new = lock_or_insert(under_way, Level.STUDY, row, values)
    if not new:
        raise Conflict("a study with this UID exists already")
    patient["number_of_patient_related_studies"] += 1
    patient.flush(under_way)
    under_way.audit(AuditRecord(actor, "study.create", "success", uid))
    under_way.announce(actor, "study.expected", uid)


def _amend(under_way: Transaction, locked: LockedRow, amendment: Amendment) -> list[str]:
    """The columns that changed."""
    wanted: dict[str, Any] = {
        "priority": amendment.priority and amendment.priority.value,
        "clinical_notes": amendment.clinical_notes,
        "body_part": amendment.body_part,
    }
    state = State(locked["state"])
    if amendment.state is not None and amendment.state is not state:
        wanted["state"] = move(state, amendment.state).value
    if amendment.values:
        if state is not State.EXPECTED:
            raise Conflict(
                "once images have arrived, these are the images' own, also what they lack; "
                "priority, clinical_notes, body_part and state can still be changed"
            )
        row = attribute_row(Level.STUDY, amendment.values)
        wanted |= {column: value for column, value in row.items() if value is not None}
    before = {column: locked[column] for column in wanted}
    for column, value in wanted.items():
        if value is not None:
            locked[column] = value
    changed = sorted(column for column, value in before.items() if locked[column] != value)
    if changed:
        locked["version"] += 1
    locked.flush(under_way)
    return changed
