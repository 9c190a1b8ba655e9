"""Studies that were announced and have no image: expected ones, and those cancelled before any came.

DICOM services never return them, nor patients who have no other; an organisation's tallies count the studies
apart.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists, or_

from pacs.study_states import State
from storage.rows import Row
from storage.tables import patients, series, studies

_IMAGES = exists().where(series.c.study_pk == studies.c.pk).correlate(studies)

ANNOUNCED_ONLY: ColumnElement[bool] = or_(
    studies.c.state == State.EXPECTED.value, and_(studies.c.state == State.CANCELLED.value, ~_IMAGES)
)
"""Asks an index for images, as their number is in none that lists are read along."""

AWAITED: ColumnElement[bool] = patients.c.number_of_patient_related_instances == 0
"""Patients who have only such studies."""


def is_announced_only(row: Row) -> bool:
    """The same of one row of any level; only studies have a state."""
    state = row.get("state")
    return state == State.EXPECTED or (
        state == State.CANCELLED and row["number_of_study_related_instances"] == 0
    )
