"""Studies are walked newest first without their rows: the index has what selects and joins them.

No database reads an index alone unless the columns of its expressions are in it as they are, too.
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"

_INDEX = "ix_studies_newest_first"
_ORDER = "org_id, coalesce(study_date_key, ''), coalesce(study_time_key, ''), pk"
_READ = "patient_pk, state, study_date_key, study_time_key"


def upgrade() -> None:
    _again(f"{_ORDER}, {_READ}")


def downgrade() -> None:
    _again(_ORDER)


def _again(columns: str) -> None:
    op.drop_index(_INDEX, "studies")
    op.execute(f"CREATE INDEX {_INDEX} ON studies ({columns})")
