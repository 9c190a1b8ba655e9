"""What brings a deleted study back as it was: what people had said of it, and the task that does it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("deletions", sa.Column("priority", sa.Text))
    op.add_column("deletions", sa.Column("clinical_notes", sa.Text))
    op.add_column("deletions", sa.Column("restored_by", sa.Text))


def downgrade() -> None:
    for column in ("restored_by", "clinical_notes", "priority"):
        op.drop_column("deletions", column)
