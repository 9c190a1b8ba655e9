"""The archive: organisations, patients to versions, blobs, jobs, changes, audit."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

PATIENT = """patient_name patient_id issuer_of_patient_id patient_birth_date patient_birth_time
patient_sex other_patient_ids other_patient_names other_patient_ids_sequence ethnic_group
patient_species_description patient_breed_description responsible_person
responsible_organization patient_comments
patient_name_key patient_birth_date_key patient_birth_time_key other_patient_names_key
ethnic_group_key patient_species_description_key patient_breed_description_key
responsible_person_key responsible_organization_key patient_comments_key"""
PATIENT_COUNTS = """number_of_patient_related_studies number_of_patient_related_series
number_of_patient_related_instances"""
STUDY = """study_instance_uid study_date study_time accession_number study_id study_description
referring_physician_name name_of_physicians_reading_study physicians_of_record
requesting_physician requested_procedure_description admitting_diagnoses_description
admission_id patient_age patient_size patient_weight occupation additional_patient_history
timezone_offset_from_utc procedure_code_sequence issuer_of_accession_number_sequence
modalities_in_study sop_classes_in_study
study_date_key study_time_key study_description_key referring_physician_name_key
name_of_physicians_reading_study_key physicians_of_record_key requesting_physician_key
requested_procedure_description_key admitting_diagnoses_description_key occupation_key
additional_patient_history_key"""
STUDY_COUNTS = "number_of_study_related_series number_of_study_related_instances size_bytes"
SERIES = """modality series_number series_instance_uid series_description series_date series_time
body_part_examined laterality patient_position protocol_name performing_physician_name
operators_name institution_name institutional_department_name station_name manufacturer
manufacturer_model_name device_serial_number software_versions frame_of_reference_uid
performed_procedure_step_id performed_procedure_step_description
performed_procedure_step_start_date performed_procedure_step_start_time
request_attributes_sequence
series_description_key series_date_key series_time_key protocol_name_key
performing_physician_name_key operators_name_key institution_name_key
institutional_department_name_key manufacturer_key manufacturer_model_name_key
performed_procedure_step_description_key performed_procedure_step_start_date_key
performed_procedure_step_start_time_key"""
SERIES_COUNTS = "number_of_series_related_instances size_bytes"
INSTANCE = """sop_instance_uid sop_class_uid instance_number content_date content_time acquisition_date
acquisition_time acquisition_date_time acquisition_number instance_creation_date
instance_creation_time image_type rows columns bits_allocated number_of_frames
samples_per_pixel photometric_interpretation pixel_spacing slice_thickness slice_location
image_position_patient image_orientation_patient window_center window_width
image_laterality view_position image_comments content_label content_description
content_creator_name presentation_creation_date presentation_creation_time document_title
mime_type_of_encapsulated_document completion_flag verification_flag
verification_date_time concept_name_code_sequence available_transfer_syntax_uid
content_date_key content_time_key acquisition_date_key acquisition_time_key
acquisition_date_time_key instance_creation_date_key instance_creation_time_key
image_comments_key content_description_key content_creator_name_key
presentation_creation_date_key presentation_creation_time_key document_title_key
verification_date_time_key"""
INSTANCE_NUMBERS = """instance_number_key acquisition_number_key rows_key columns_key bits_allocated_key
number_of_frames_key samples_per_pixel_key"""

Columns = list[sa.Column[Any]]


def pk() -> Columns:
    return [sa.Column("pk", SERIAL, primary_key=True, autoincrement=True)]


def org(**options: Any) -> Columns:
    reference = sa.ForeignKey("organizations.id")
    return [sa.Column("org_id", sa.Integer, reference, nullable=False, **options)]


def of(table: str, name: str) -> Columns:
    return [sa.Column(name, sa.BigInteger, sa.ForeignKey(f"{table}.pk"), nullable=False)]


def keys(names: str) -> Columns:
    return [sa.Column(name, KEY) for name in names.split()]


def numbers(names: str) -> Columns:
    return [sa.Column(name, sa.BigInteger) for name in names.split()]


def counts(names: str) -> Columns:
    return [sa.Column(n, sa.BigInteger, nullable=False, server_default="0") for n in names.split()]


def texts(names: str) -> Columns:
    return [sa.Column(name, sa.Text, nullable=False) for name in names.split()]


def optional(names: str) -> Columns:
    return [sa.Column(name, sa.Text) for name in names.split()]


def integers(names: str) -> Columns:
    return [sa.Column(n, sa.Integer, nullable=False, autoincrement=False) for n in names.split()]


def instants(names: str) -> Columns:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names.split()]


def table(name: str, *columns: Columns, primary_key: str = "", unique: str = "") -> None:
    constraints: list[Any] = []
    if primary_key:
        constraints.append(sa.PrimaryKeyConstraint(*primary_key.split(), name=f"pk_{name}"))
    if unique:
        label = f"uq_{name}_{unique.replace(' ', '_')}"
        constraints.append(sa.UniqueConstraint(*unique.split(), name=label))
    op.create_table(name, *(c for group in columns for c in group), *constraints)


def index(name: str, columns: str) -> None:
    op.create_index(f"ix_{name}_{columns.replace(' ', '_')}", name, columns.split())


def upgrade() -> None:
    code = sa.Column("code", sa.Text, nullable=False)
    ident = sa.Column("id", sa.Integer, primary_key=True, autoincrement=True)
    table("organizations", [ident, code], texts("name"), unique="code")
    _patients_to_versions()
    _work()
    _feeds()
    _organization()
    _immutable()


def _patients_to_versions() -> None:
    identity = texts("identity")
    table("patients", pk(), org(), identity, keys(PATIENT), counts(PATIENT_COUNTS), unique="org_id identity")
    state = [*texts("state"), sa.Column("flags", sa.Text, nullable=False, server_default="")]
    received = instants("first_received_at last_received_at")
    version = [sa.Column("version", sa.Integer, nullable=False, server_default="1")]
    study = pk() + org() + of("patients", "patient_pk") + keys(STUDY) + counts(STUDY_COUNTS)
    table("studies", study, state, received, version, unique="org_id study_instance_uid")
    number = numbers("series_number_key")
    one_series = pk() + org() + of("studies", "study_pk") + keys(SERIES) + number + counts(SERIES_COUNTS)
    table("series", one_series, unique="study_pk series_instance_uid")
    instance = pk() + org() + of("series", "series_pk") + keys(INSTANCE) + numbers(INSTANCE_NUMBERS)
    table("instances", instance, integers("current_version"), unique="series_pk sop_instance_uid")
    address = [sa.Column("address", sa.Text, primary_key=True)]
    since = numbers("unreferenced_since")
    table("blobs", address, instants("size"), integers("refcount"), texts("state"), since)
    blob = [sa.Column("blob", sa.Text, sa.ForeignKey("blobs.address"), nullable=False)]
    place = blob + texts("dataset_digest transfer_syntax") + integers("dataset_offset")
    frames = [sa.Column("frames", sa.LargeBinary)]
    source = instants("received_at") + texts("source_kind source_name correlation_id")
    of_instance = of("instances", "instance_pk") + integers("n") + org()
    table("versions", of_instance, place, frames, source, primary_key="instance_pk n")
    named = texts("level sequence keyword") + integers("item")
    value = [sa.Column("value", KEY, nullable=False)]
    owner = [sa.Column("owner", sa.BigInteger, nullable=False, autoincrement=False)]
    sequence_key = "level owner sequence item keyword"
    table("sequence_values", org(), owner, named, value, primary_key=sequence_key)
    for name, columns in (
        ("patients", "org_id patient_id"),
        ("patients", "org_id patient_name_key"),
        ("patients", "org_id patient_birth_date_key"),
        ("studies", "patient_pk"),
        ("studies", "org_id accession_number"),
        ("studies", "org_id study_id"),
        ("studies", "org_id last_received_at"),
        ("series", "org_id series_instance_uid"),
        ("series", "org_id modality"),
        ("instances", "org_id sop_instance_uid"),
        ("blobs", "unreferenced_since"),
        ("versions", "blob"),
        ("sequence_values", "org_id sequence keyword value"),
    ):
        index(name, columns)
    last = " NULLS LAST" if op.get_bind().dialect.name == "postgresql" else ""
    newest = f"org_id, study_date_key DESC{last}, study_time_key DESC{last}, pk"
    op.execute(f"CREATE INDEX ix_studies_newest_first ON studies ({newest})")


def _work() -> None:
    title, tls = texts("title"), [sa.Column("tls", sa.Boolean, nullable=False)]
    port = [sa.Column("port", sa.Integer)]
    where = optional("host") + port + texts("rights") + tls
    table("application_entities", pk(), org(), title, where, unique="title")
    what = texts("kind payload state correlation_id") + optional("key")
    tries = integers("attempt max_attempts") + optional("last_error")
    lease = optional("worker token") + numbers("lease_until")
    table("jobs", pk(), org(), what, tries, lease, instants("run_at created_at"))
    index("jobs", "state run_at")
    index("jobs", "state lease_until")
    waiting = sa.text("state = 'waiting'")
    options: dict[str, Any] = {"sqlite_where": waiting, "postgresql_where": waiting}
    op.create_index("uq_jobs_waiting_key", "jobs", ["org_id", "key"], unique=True, **options)


def _feeds() -> None:
    seq = [sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False)]
    change = texts("kind resource payload correlation_id")
    table("changes", org(), seq, instants("at"), change, primary_key="org_id seq")
    seq = [sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False)]
    actor = texts("actor_kind actor_name actor_address correlation_id")
    what = texts("action outcome resource details hash")
    table("audit", org(), seq, instants("at"), actor, what, primary_key="org_id seq")
    index("audit", "org_id resource")
    index("audit", "org_id at")
    audit_hash = [sa.Column("audit_hash", sa.Text, nullable=False, server_default="")]
    heads = counts("audit_seq change_seq")
    table("org_heads", org(primary_key=True, autoincrement=False), audit_hash, heads)


def _organization() -> None:
    """`pacs.actor.DEFAULT_ORGANIZATION`."""
    op.execute("INSERT INTO organizations (id, code, name) VALUES (1, 'default', 'Default')")
    op.execute("INSERT INTO org_heads (org_id) VALUES (1)")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SELECT setval(pg_get_serial_sequence('organizations', 'id'), 1)")


REFUSED = (("audit", "UPDATE"), ("audit", "DELETE"), ("versions", "UPDATE"))
"""Audit is append-only; the versions of an object may be purged but never changed."""


def _immutable() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN RAISE EXCEPTION '% of % is refused', TG_OP, TG_TABLE_NAME; END$$"
        )
        for name, verb in REFUSED:
            op.execute(
                f"CREATE TRIGGER {name}_no_{verb.lower()} BEFORE {verb} ON {name} "
                "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
            )
        return
    for name, verb in REFUSED:
        op.execute(
            f"CREATE TRIGGER {name}_no_{verb.lower()} BEFORE {verb} ON {name} "
            f"BEGIN SELECT RAISE(ABORT, '{verb} of {name} is refused'); END"
        )


TABLES = """org_heads audit changes jobs application_entities sequence_values versions blobs instances
series studies patients organizations"""


def downgrade() -> None:
    for name in TABLES.split():
        op.drop_table(name)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")
