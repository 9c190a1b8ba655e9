"""Lists of studies are read along an index in every order that they can be sorted in.

That of names is read alone, until those that contain what is asked for begin.
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"

_BY_NAME = "ix_patients_by_name"
_NAMES = "org_id, coalesce(patient_name_key, ''), pk"
_SORTED = {
    "ix_patients_by_id": ("patients", "patient_id"),
    "ix_studies_by_accession": ("studies", "accession_number"),
    "ix_studies_by_description": ("studies", "study_description_key"),
}


def upgrade() -> None:
    _again(f"{_NAMES}, patient_name_key")
    for index, (table, column) in _SORTED.items():
        op.execute(f"CREATE INDEX {index} ON {table} (org_id, coalesce({column}, ''), pk)")


def downgrade() -> None:
    for index, (table, _) in _SORTED.items():
        op.drop_index(index, table)
    _again(_NAMES)


def _again(columns: str) -> None:
    op.drop_index(_BY_NAME, "patients")
    op.execute(f"CREATE INDEX {_BY_NAME} ON patients ({columns})")
