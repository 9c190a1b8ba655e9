"""Search: pages from one index each, and trigrams of what is searched with wildcards.

SQLite keeps trigrams in contentless FTS5 tables beside the rows, kept true by triggers;
PostgreSQL has GIN indexes (`pg_trgm`).
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

PATIENTS = {
    "patient_name_key": "{0}patient_name_key",
    "patient_id": "{0}patient_id",
    "other_patient_ids": "'\\' || {0}other_patient_ids || '\\'",
    "other_patient_names_key": "{0}other_patient_names_key",
}
STUDIES = {
    "accession_number": "{0}accession_number",
    "study_id": "{0}study_id",
    "study_description_key": "{0}study_description_key",
    "referring_physician_name_key": "{0}referring_physician_name_key",
    "modalities_in_study": "'\\' || {0}modalities_in_study || '\\'",
}
TRIGRAMS = {"patients": PATIENTS, "studies": STUDIES}

NEWEST = "org_id, coalesce(study_date_key, ''), coalesce(study_time_key, ''), pk"
BY_NAME = "org_id, coalesce(patient_name_key, ''), pk"


def _postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def upgrade() -> None:
    op.drop_index("ix_studies_newest_first", "studies")
    op.drop_index("ix_patients_org_id_patient_name_key", "patients")
    op.execute(f"CREATE INDEX ix_studies_newest_first ON studies ({NEWEST})")
    op.execute(f"CREATE INDEX ix_patients_by_name ON patients ({BY_NAME})")
    if _postgresql():
        op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    for table, columns in TRIGRAMS.items():
        (_gin if _postgresql() else _fts)(table, columns)


def _gin(table: str, columns: dict[str, str]) -> None:
    for name, expression in columns.items():
        indexed = f"({expression.format('')}) gin_trgm_ops"
        op.execute(f"CREATE INDEX ix_{table}_{name}_trigrams ON {table} USING gin ({indexed})")


def _fts(table: str, columns: dict[str, str]) -> None:
    fts, names = f"{table}_trigrams", ", ".join(columns)
    options = "content = '', columnsize = 0, detail = column, tokenize = 'trigram'"
    op.execute(f"CREATE VIRTUAL TABLE {fts} USING fts5({names}, {options})")
    old, new = (", ".join(e.format(f"{row}.") for e in columns.values()) for row in ("old", "new"))
    forget = f"INSERT INTO {fts} ({fts}, rowid, {names}) VALUES ('delete', old.pk, {old});"
    learn = f"INSERT INTO {fts} (rowid, {names}) VALUES (new.pk, {new});"
    changed = " OR ".join(f"old.{name} IS NOT new.{name}" for name in columns)
    for event, action in (
        ("AFTER INSERT", learn),
        ("AFTER DELETE", forget),
        (f"AFTER UPDATE OF {names}", forget + learn),
    ):
        label = f"{fts}_{event.split()[1].lower()}"
        when = f"WHEN {changed}" if "UPDATE" in event else ""
        op.execute(f"CREATE TRIGGER {label} {event} ON {table} {when} BEGIN {action} END")
    existing = ", ".join(e.format("") for e in columns.values())
    op.execute(f"INSERT INTO {fts} (rowid, {names}) SELECT pk, {existing} FROM {table}")


def downgrade() -> None:
    for table, columns in TRIGRAMS.items():
        if _postgresql():
            for name in columns:
                op.drop_index(f"ix_{table}_{name}_trigrams", table)
        else:
            for event in ("insert", "delete", "update"):
                op.execute(f"DROP TRIGGER {table}_trigrams_{event}")
            op.execute(f"DROP TABLE {table}_trigrams")
    op.drop_index("ix_patients_by_name", "patients")
    op.drop_index("ix_studies_newest_first", "studies")
    op.create_index("ix_patients_org_id_patient_name_key", "patients", ["org_id", "patient_name_key"])
    last = " NULLS LAST" if _postgresql() else ""
    newest = f"org_id, study_date_key DESC{last}, study_time_key DESC{last}, pk"
    op.execute(f"CREATE INDEX ix_studies_newest_first ON studies ({newest})")
