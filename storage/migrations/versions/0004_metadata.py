"""DICOM JSON of each version, prepared when it comes in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "prepared_metadata",
        sa.Column("instance_pk", sa.BigInteger, nullable=False),
        sa.Column("n", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("org_id", sa.Integer, nullable=False),
        sa.Column("format", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("instance_pk", "n", name="pk_prepared_metadata"),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name="fk_prepared_metadata_org_id"),
        sa.ForeignKeyConstraint(
            ["instance_pk", "n"],
            ["versions.instance_pk", "versions.n"],
            name="fk_prepared_metadata_instance_pk_n",
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    op.drop_table("prepared_metadata")
