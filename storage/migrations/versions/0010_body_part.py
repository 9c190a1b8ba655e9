"""The body part that users say a study is of, kept with it and with its deletion."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_TABLES = ("studies", "deletions")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("body_part", sa.Text))


def downgrade() -> None:
    for table in _TABLES:
        op.drop_column(table, "body_part")
