"""Search: pages from one index each, and trigrams of what is searched with wildcards.

SQLite keeps trigrams in contentless FTS5 tables beside the rows, kept true by triggers, each value
between backslashes so that its beginning and end are letters too. PostgreSQL has GIN indexes:
`pg_trgm`, which knows the ends of words, and for `*qz*` the pairs of letters in patients' names.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

TRIGRAMS = {
    "patients": ("patient_name_key", "patient_id", "other_patient_ids", "other_patient_names_key"),
    "studies": (
        "accession_number",
        "study_id",
        "study_description_key",
        "referring_physician_name_key",
        "modalities_in_study",
    ),
}
SEVERAL_VALUES = ("other_patient_ids", "modalities_in_study")

NEWEST = "org_id, coalesce(study_date_key, ''), coalesce(study_time_key, ''), pk"
BY_NAME = "org_id, coalesce(patient_name_key, ''), pk"


PAIRS = """CREATE FUNCTION letter_pairs(key text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
$$SELECT array_agg(DISTINCT substr(key, i, 2)) FROM generate_series(1, length(key) - 1) AS i$$"""


def _postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def upgrade() -> None:
    op.drop_index("ix_studies_newest_first", "studies")
    op.drop_index("ix_patients_org_id_patient_name_key", "patients")
    op.execute(f"CREATE INDEX ix_studies_newest_first ON studies ({NEWEST})")
    op.execute(f"CREATE INDEX ix_patients_by_name ON patients ({BY_NAME})")
    if _postgresql():
        op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        op.execute(PAIRS)
        paired = "gin (letter_pairs(patient_name_key))"
        op.execute(f"CREATE INDEX ix_patients_patient_name_key_pairs ON patients USING {paired}")
    for table, columns in TRIGRAMS.items():
        (_gin if _postgresql() else _fts)(table, columns)


def _between_backslashes(column: str) -> str:
    return f"'\\' || {column} || '\\'"


def _gin(table: str, columns: tuple[str, ...]) -> None:
    for name in columns:
        indexed = _between_backslashes(name) if name in SEVERAL_VALUES else name
        op.execute(f"CREATE INDEX ix_{table}_{name}_trigrams ON {table} USING gin (({indexed}) gin_trgm_ops)")


def _fts(table: str, columns: tuple[str, ...]) -> None:
    fts, names = f"{table}_trigrams", ", ".join(columns)
    options = "content = '', columnsize = 0, tokenize = 'trigram'"
    op.execute(f"CREATE VIRTUAL TABLE {fts} USING fts5({names}, {options})")
    op.execute(f"CREATE VIRTUAL TABLE {fts}_where USING fts5vocab({fts}, instance)")
    old, new, kept = (_texts(columns, row) for row in ("old.", "new.", ""))
    forget = f"INSERT INTO {fts} ({fts}, rowid, {names}) VALUES ('delete', old.pk, {old});"
    learn = f"INSERT INTO {fts} (rowid, {names}) VALUES (new.pk, {new});"
    changed = " OR ".join(f"old.{name} IS NOT new.{name}" for name in columns)
    for label, event, action in (
        ("insert", f"INSERT ON {table}", learn),
        ("delete", f"DELETE ON {table}", forget),
        ("update", f"UPDATE OF {names} ON {table} WHEN {changed}", forget + learn),
    ):
        op.execute(f"CREATE TRIGGER {fts}_{label} AFTER {event} BEGIN {action} END")
    op.execute(f"INSERT INTO {fts} (rowid, {names}) SELECT pk, {kept} FROM {table}")


def _texts(columns: tuple[str, ...], row: str) -> str:
    """Keys of names stand between equals signs as they are (`pacs.matching.name_key`)."""
    return ", ".join(
        f"{row}{name}" if name.endswith(("_name_key", "_names_key")) else _between_backslashes(f"{row}{name}")
        for name in columns
    )


def downgrade() -> None:
    if _postgresql():
        op.drop_index("ix_patients_patient_name_key_pairs", "patients")
        op.execute("DROP FUNCTION letter_pairs")
    for table, columns in TRIGRAMS.items():
        if _postgresql():
            for name in columns:
                op.drop_index(f"ix_{table}_{name}_trigrams", table)
        else:
            for event in ("insert", "delete", "update"):
                op.execute(f"DROP TRIGGER {table}_trigrams_{event}")
            op.execute(f"DROP TABLE {table}_trigrams_where")
            op.execute(f"DROP TABLE {table}_trigrams")
    op.drop_index("ix_patients_by_name", "patients")
    op.drop_index("ix_studies_newest_first", "studies")
    op.create_index("ix_patients_org_id_patient_name_key", "patients", ["org_id", "patient_name_key"])
    last = " NULLS LAST" if _postgresql() else ""
    newest = f"org_id, study_date_key DESC{last}, study_time_key DESC{last}, pk"
    op.execute(f"CREATE INDEX ix_studies_newest_first ON studies ({newest})")
