"""What was deleted is called by its patient and study, not by a UID alone, until its bytes are given up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_NAMES = (
    *("patient_id", "patient_name", "study_date", "study_description"),
    *("accession_number", "modalities_in_study"),
)


def upgrade() -> None:
    for name in _NAMES:
        op.add_column("deletions", sa.Column(name, sa.Text))


def downgrade() -> None:
    for name in reversed(_NAMES):
        op.drop_column("deletions", name)
