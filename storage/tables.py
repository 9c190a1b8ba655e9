"""The tables. Columns of searchable attributes are generated from `pacs.attributes.TABLE`.

Every row belongs to an organisation (`org_id`), with two exceptions: `blobs`, whose bytes organisations
share by content (the referring rows of `versions` and `kept_blobs` have an `org_id`), and
`sign_in_attempts`, made before the user is known.

A transaction that changes anything below a study locks the study's row. Rows are locked in the order
patient, study, series, blob, job, organisation's head, and within a table in the order of their keys, so that
no two transactions deadlock. The tests of the storage watch that (`tests/storage/lock_order.py`).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)

from pacs.attributes import Level
from storage.columns import BLANK, Key, attributes, count, instant, of, org, pk, words
from storage.columns import metadata as metadata

organizations = Table(
    "organizations",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("code", Text, nullable=False, unique=True),
    words("name"),
)

patients = Table(
    "patients",
    metadata,
    pk(),
    org(),
    Column("identity", Text, nullable=False),  # see storage.rows.patient_identity
    *attributes(Level.PATIENT),
    Column("patient_flags", Text, nullable=False, server_default=text("''")),  # see pacs.namesakes
    UniqueConstraint("org_id", "identity"),
    Index(None, "org_id", "patient_id"),
    Index(None, "org_id", "patient_birth_date_key"),
)

studies = Table(
    "studies",
    metadata,
    pk(),
    org(),
    of("patients", "patient_pk"),
    *attributes(Level.STUDY),
    Column("state", Text, nullable=False),  # see pacs.study_states
    Column("flags", Text, nullable=False, server_default=text("''")),  # words joined by a backslash
    Column("priority", Text, nullable=False, server_default=text("'normal'")),  # see pacs.study_management
    words("clinical_notes", nullable=True),
    words("body_part", nullable=True),  # what users say; what images say is their series'
    count("size_bytes"),
    instant("first_received_at"),
    instant("last_received_at"),
    Column("version", Integer, nullable=False, server_default="1"),
    UniqueConstraint("org_id", "study_instance_uid"),
    Index(None, "patient_pk"),
    Index(None, "org_id", "accession_number"),
    Index(None, "org_id", "study_id"),
    Index(None, "org_id", "patient_birth_date_key"),
    Index(None, "org_id", "last_received_at"),
)
# Pages of answers are read along one of these; a missing value sorts like an empty one. Those of studies also
# have every column that selects or joins: otherwise no database reads the index alone.
Index(
    "ix_studies_newest_first",
    studies.c.org_id,
    func.coalesce(studies.c.study_date_key, BLANK),
    func.coalesce(studies.c.study_time_key, BLANK),
    studies.c.pk,
    studies.c.patient_pk,
    studies.c.state,
    studies.c.study_date_key,
    studies.c.study_time_key,
)
Index(
    "ix_patients_by_name",
    patients.c.org_id,
    func.coalesce(patients.c.patient_name_key, BLANK),
    patients.c.pk,
    patients.c.patient_name_key,
)
Index(
    "ix_studies_by_name",
    studies.c.org_id,
    func.coalesce(studies.c.patient_name_key, BLANK),
    studies.c.pk,
    studies.c.patient_name_key,
    studies.c.state,
)
for _name, _sorted in {
    "ix_patients_by_id": patients.c.patient_id,
    "ix_studies_by_accession": studies.c.accession_number,
    "ix_studies_by_description": studies.c.study_description_key,
}.items():
    _table = _sorted.table
    Index(_name, _table.c.org_id, func.coalesce(_sorted, BLANK), _table.c.pk)

series = Table(
    "series",
    metadata,
    pk(),
    org(),
    of("studies", "study_pk"),
    *attributes(Level.SERIES),
    count("size_bytes"),
    UniqueConstraint("study_pk", "series_instance_uid"),
    Index(None, "org_id", "series_instance_uid"),
    Index(None, "org_id", "modality"),
)

instances = Table(
    "instances",
    metadata,
    pk(),
    org(),
    of("series", "series_pk"),
    *attributes(Level.IMAGE),
    Column("current_version", Integer, nullable=False),
    UniqueConstraint("series_pk", "sop_instance_uid"),
    Index(None, "org_id", "sop_instance_uid"),
)

TABLES = {Level.PATIENT: patients, Level.STUDY: studies, Level.SERIES: series, Level.IMAGE: instances}

blobs = Table(
    "blobs",
    metadata,
    Column("address", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("refcount", Integer, nullable=False),  # rows of versions and kept_blobs that name it
    Column("state", Text, nullable=False),  # live, or deleting: claimed by the sweep
    instant("unreferenced_since", nullable=True),
)
Index(
    "ix_blobs_unreferenced_since",
    blobs.c.unreferenced_since,
    sqlite_where=blobs.c.unreferenced_since.is_not(None),
    postgresql_where=blobs.c.unreferenced_since.is_not(None),
)

versions = Table(
    "versions",
    metadata,
    of("instances", "instance_pk"),
    Column("n", Integer, nullable=False, autoincrement=False),
    org(),
    Column("blob", Text, ForeignKey("blobs.address"), nullable=False),
    words("dataset_digest"),
    Column("dataset_offset", Integer, nullable=False),
    words("transfer_syntax"),
    Column("frames", LargeBinary),
    instant("received_at"),
    words("source_kind"),
    words("source_name"),
    words("correlation_id"),
    PrimaryKeyConstraint("instance_pk", "n"),
    Index(None, "blob"),
)

# Apart from the rows of versions, to keep those small for searches and retrievals.
prepared_metadata = Table(
    "prepared_metadata",
    metadata,
    Column("instance_pk", BigInteger, nullable=False),
    Column("n", Integer, nullable=False, autoincrement=False),
    org(),
    Column("format", Integer, nullable=False),  # pacs.prepared.FORMAT of the code that made it
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("instance_pk", "n"),
    ForeignKeyConstraint(["instance_pk", "n"], ["versions.instance_pk", "versions.n"], ondelete="CASCADE"),
)

# References to blobs that are not versions of an instance: see `storage.kept_blobs`.
kept_blobs = Table(
    "kept_blobs",
    metadata,
    Column("owner", Text, nullable=False),  # id of a deletion or of a task
    Column("position", Integer, nullable=False, autoincrement=False),
    org(),
    Column("blob", Text, ForeignKey("blobs.address"), nullable=False),
    words("name"),
    PrimaryKeyConstraint("owner", "position"),
    Index(None, "blob"),
)

OF_PATIENT = ("patient_id",)
OF_STUDY = ("patient_name", "study_date", "study_description", "accession_number", "modalities_in_study")
"""The attributes by which a deletion is listed, of the patient and of the study."""
SET_BY_USERS = ("priority", "clinical_notes", "body_part")
"""What users set of a study, which a restoration brings back."""

deletions = Table(
    "deletions",
    metadata,
    Column("id", Text, primary_key=True),
    org(),
    words("study_instance_uid"),
    words("sop_instance_uid", nullable=True),
    Column("instances", Integer, nullable=False),
    words("reason"),
    words("actor_name"),
    instant("deleted_at"),
    instant("purge_at"),
    *(words(name, nullable=True) for name in SET_BY_USERS),  # of the study, when it was deleted as a whole
    words("restored_by", nullable=True),  # id of a task
    *(words(name, nullable=True) for name in OF_PATIENT + OF_STUDY),  # until the bytes are purged
    Index(None, "org_id", "deleted_at"),
)

sequence_values = Table(
    "sequence_values",
    metadata,
    org(),
    Column("level", Text, nullable=False),
    Column("owner", BigInteger, nullable=False),  # pk in the level's table
    Column("sequence", Text, nullable=False),
    Column("item", Integer, nullable=False, autoincrement=False),
    Column("keyword", Text, nullable=False),
    Column("value", Key, nullable=False),
    PrimaryKeyConstraint("level", "owner", "sequence", "item", "keyword"),
    Index(None, "org_id", "sequence", "keyword", "value"),
)

application_entities = Table(
    "application_entities",
    metadata,
    pk(),
    org(),
    Column("title", Text, nullable=False, unique=True),
    words("host", nullable=True),
    Column("port", Integer),
    Column("rights", Text, nullable=False),  # of pacs.access.RIGHTS, joined by commas
    Column("tls", Boolean, nullable=False),
)

users = Table(
    "users",
    metadata,
    pk(),
    org(),
    Column("email", Text, nullable=False, unique=True),  # lower case
    Column("role", Text, nullable=False),  # of pacs.rights.ROLES
    words("first_name"),
    words("last_name"),
    words("password_hash", nullable=True),
    Column("must_change_password", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    instant("created_at"),
    Index(None, "org_id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    org(),
    of("users", "user_pk"),
    Column("kind", Text, nullable=False),  # of pacs.accounts.SessionKind
    Column("role", Text, nullable=False),
    words("address"),
    instant("created_at"),
    instant("expires_at"),
    instant("revoked_at", nullable=True),
    Index(None, "user_pk"),
)

# Also for addresses without an account, so they belong to no organisation.
sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("email", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    instant("since"),
    PrimaryKeyConstraint("email", "address"),
    Index(None, "since"),
)

jobs = Table(
    "jobs",
    metadata,
    pk(),
    org(),
    words("kind"),
    words("key", nullable=True),
    words("payload"),
    Column("state", Text, nullable=False),  # waiting, running, failed; a finished job has no row
    instant("run_at"),
    Column("attempt", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    words("worker", nullable=True),
    words("token", nullable=True),
    instant("lease_until", nullable=True),
    words("last_error", nullable=True),
    words("correlation_id"),
    instant("created_at"),
    Index(None, "state", "run_at"),
    Index(None, "state", "lease_until"),
)
Index(
    "uq_jobs_waiting_key",
    jobs.c.org_id,
    jobs.c.key,
    unique=True,
    sqlite_where=jobs.c.state == "waiting",
    postgresql_where=jobs.c.state == "waiting",
)

# Work that a user follows: unlike a job, a finished task stays visible.
tasks = Table(
    "tasks",
    metadata,
    Column("id", Text, primary_key=True),
    org(),
    words("kind"),
    Column("status", Text, nullable=False),  # see pacs.jobs.tasks
    words("study_instance_uid", nullable=True),
    words("message"),
    Column("total_items", Integer, nullable=False),
    Column("processed_items", Integer, nullable=False),
    Column("failed_items", Integer, nullable=False),
    Column("skipped_items", Integer, nullable=False),
    words("errors"),
    words("actor_name"),
    words("actor_address"),
    words("correlation_id"),
    instant("created_at"),
    instant("updated_at"),
    Index(None, "org_id", "created_at"),
)

changes = Table(
    "changes",
    metadata,
    org(),
    Column("seq", BigInteger, nullable=False, autoincrement=False),
    instant("at"),
    words("kind"),
    words("resource"),
    words("payload"),
    words("correlation_id"),
    PrimaryKeyConstraint("org_id", "seq"),
)

audit = Table(
    "audit",
    metadata,
    org(),
    Column("seq", BigInteger, nullable=False, autoincrement=False),
    instant("at"),
    words("actor_kind"),
    words("actor_name"),
    words("actor_address"),
    words("correlation_id"),
    words("action"),
    words("outcome"),
    words("resource"),
    words("details"),
    words("hash"),
    PrimaryKeyConstraint("org_id", "seq"),
    Index(None, "org_id", "resource"),
    Index(None, "org_id", "at"),
)

ANNOUNCED = "announced"
TALLIES = (patients.name, studies.name, ANNOUNCED, series.name, instances.name)
"""What an organisation's head counts: the rows of each level, and the studies of `storage.announced`."""

# The last numbers assigned, and the tallies; locked last in a transaction, so that numbers are in the order
# of commits, and tallies are those of any snapshot.
org_heads = Table(
    "org_heads",
    metadata,
    Column("org_id", Integer, ForeignKey("organizations.id"), primary_key=True, autoincrement=False),
    count("audit_seq"),
    Column("audit_hash", Text, nullable=False, server_default=text("''")),
    count("change_seq"),
    *map(count, TALLIES),
)
