"""Studies that were cancelled before any image came are tallied with those that are only expected."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"

_EXPECTED = "state = 'expected'"
_UNSEEN = "(state = 'expected' OR state = 'cancelled' AND number_of_study_related_instances = 0)"


def upgrade() -> None:
    _count(_UNSEEN)


def downgrade() -> None:
    _count(_EXPECTED)


def _count(announced: str) -> None:
    count = f"SELECT count(*) FROM studies WHERE {announced} AND studies.org_id = org_heads.org_id"
    op.execute(f"UPDATE org_heads SET announced = ({count})")
