"""Each study keeps whose it is as its own objects say, because different people are sent with one Patient ID.

Studies that are there take what their patient's row says; `pacs reindex` asks their objects. Patients are
flagged when their studies name different people.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_SAID = (
    *("patient_name", "patient_name_key", "patient_birth_date", "patient_birth_date_key"),
    *("patient_birth_time", "patient_birth_time_key", "patient_sex"),
)
_LETTERS = "accession_number study_id study_description_key referring_physician_name_key modalities_in_study"
_NAMES = frozenset({"patient_name_key", "referring_physician_name_key"})
_FTS = "studies_trigrams"
_INDEXES = {
    "ix_studies_by_name": "org_id, coalesce(patient_name_key, ''), pk, patient_name_key, state",
    "ix_studies_org_id_patient_birth_date_key": "org_id, patient_birth_date_key",
}
_PAIRS = "ix_studies_patient_name_key_pairs"


def upgrade() -> None:
    before, after = _LETTERS.split(), ["patient_name_key", *_LETTERS.split()]
    _without_letters(before)
    for name in _SAID:
        op.add_column("studies", sa.Column(name, KEY))
    said = ", ".join(f"{name} = patients.{name}" for name in _SAID)
    op.execute(f"UPDATE studies SET {said} FROM patients WHERE patients.pk = studies.patient_pk")
    op.add_column("patients", sa.Column("patient_flags", sa.Text, nullable=False, server_default=""))
    for index, columns in _INDEXES.items():
        op.execute(f"CREATE INDEX {index} ON studies ({columns})")
    if _postgresql():
        op.execute(f"CREATE INDEX {_PAIRS} ON studies USING gin (letter_pairs(patient_name_key))")
    _with_letters(after)


def downgrade() -> None:
    before, after = _LETTERS.split(), ["patient_name_key", *_LETTERS.split()]
    _without_letters(after)
    for index in (*_INDEXES, *([_PAIRS] if _postgresql() else [])):
        op.drop_index(index, "studies")
    op.drop_column("patients", "patient_flags")
    for name in reversed(_SAID):
        op.drop_column("studies", name)
    _with_letters(before)


def _postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _without_letters(columns: list[str]) -> None:
    """While every row is written, these indexes would cost more than making them anew."""
    if _postgresql():
        for name in columns:
            op.drop_index(f"ix_studies_{name}_trigrams", "studies")
        return
    for event in ("insert", "delete", "update"):
        op.execute(f"DROP TRIGGER {_FTS}_{event}")
    op.execute(f"DROP TABLE {_FTS}_where")
    op.execute(f"DROP TABLE {_FTS}")


def _with_letters(columns: list[str]) -> None:
    """As migration 0002 made them."""
    if _postgresql():
        for name in columns:
            indexed = "'\\' || modalities_in_study || '\\'" if name == "modalities_in_study" else name
            made = f"CREATE INDEX ix_studies_{name}_trigrams ON studies USING gin"
            op.execute(f"{made} (({indexed}) gin_trgm_ops)")
        return
    names = ", ".join(columns)
    old, new, kept = (", ".join(_bounded(row, name) for name in columns) for row in ("old.", "new.", ""))
    options = "content = '', columnsize = 0, tokenize = 'trigram'"
    op.execute(f"CREATE VIRTUAL TABLE {_FTS} USING fts5({names}, {options})")
    op.execute(f"CREATE VIRTUAL TABLE {_FTS}_where USING fts5vocab({_FTS}, instance)")
    forget = f"INSERT INTO {_FTS} ({_FTS}, rowid, {names}) VALUES ('delete', old.pk, {old});"
    learn = f"INSERT INTO {_FTS} (rowid, {names}) VALUES (new.pk, {new});"
    changed = " OR ".join(f"old.{name} IS NOT new.{name}" for name in columns)
    for label, event, action in (
        ("insert", "INSERT ON studies", learn),
        ("delete", "DELETE ON studies", forget),
        ("update", f"UPDATE OF {names} ON studies WHEN {changed}", forget + learn),
    ):
        op.execute(f"CREATE TRIGGER {_FTS}_{label} AFTER {event} BEGIN {action} END")
    op.execute(f"INSERT INTO {_FTS} (rowid, {names}) SELECT pk, {kept} FROM studies")


def _bounded(row: str, name: str) -> str:
    return f"{row}{name}" if name in _NAMES else f"'\\' || {row}{name} || '\\'"
