"""Uploads and other long work that a user follows; what was deleted; priority and notes of studies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column(
        "studies", sa.Column("priority", sa.Text, nullable=False, server_default=sa.text("'normal'"))
    )
    op.add_column("studies", sa.Column("clinical_notes", sa.Text))
    op.create_table(
        "kept_blobs",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("org_id", sa.Integer, nullable=False),
        sa.Column("blob", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("owner", "position", name="pk_kept_blobs"),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name="fk_kept_blobs_org_id"),
        sa.ForeignKeyConstraint(["blob"], ["blobs.address"], name="fk_kept_blobs_blob"),
    )
    op.create_index("ix_kept_blobs_blob", "kept_blobs", ["blob"])
    op.create_table(
        "deletions",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("org_id", sa.Integer, nullable=False),
        sa.Column("study_instance_uid", sa.Text, nullable=False),
        sa.Column("sop_instance_uid", sa.Text),
        sa.Column("instances", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("actor_name", sa.Text, nullable=False),
        sa.Column("deleted_at", sa.BigInteger, nullable=False),
        sa.Column("purge_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deletions"),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name="fk_deletions_org_id"),
    )
    op.create_index("ix_deletions_org_id_deleted_at", "deletions", ["org_id", "deleted_at"])
    op.create_table(
        "tasks",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("org_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("study_instance_uid", sa.Text),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("total_items", sa.Integer, nullable=False),
        sa.Column("processed_items", sa.Integer, nullable=False),
        sa.Column("failed_items", sa.Integer, nullable=False),
        sa.Column("skipped_items", sa.Integer, nullable=False),
        sa.Column("errors", sa.Text, nullable=False),
        sa.Column("actor_name", sa.Text, nullable=False),
        sa.Column("actor_address", sa.Text, nullable=False),
        sa.Column("correlation_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tasks"),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name="fk_tasks_org_id"),
    )
    op.create_index("ix_tasks_org_id_created_at", "tasks", ["org_id", "created_at"])


def downgrade() -> None:
    for table in ("tasks", "deletions", "kept_blobs"):
        op.drop_table(table)
    op.drop_column("studies", "clinical_notes")
    op.drop_column("studies", "priority")
