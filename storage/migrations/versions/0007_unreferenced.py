"""The index of blobs that wait for the sweep holds no others: an image that comes in has no entry there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_INDEX = "ix_blobs_unreferenced_since"
_WAITS = sa.text("unreferenced_since IS NOT NULL")


def upgrade() -> None:
    op.drop_index(_INDEX, "blobs")
    op.create_index(_INDEX, "blobs", ["unreferenced_since"], sqlite_where=_WAITS, postgresql_where=_WAITS)


def downgrade() -> None:
    op.drop_index(_INDEX, "blobs")
    op.create_index(_INDEX, "blobs", ["unreferenced_since"])
