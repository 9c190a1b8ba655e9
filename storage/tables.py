"""The tables. The columns of what is searched derive from `pacs.attributes.TABLE`.

Every row belongs to an organisation (`org_id`). The exceptions are `blobs`: bytes are shared by
content between organisations, and what refers to them, a row of `versions` or `kept_blobs`, carries `org_id`; and
`sign_in_attempts`, made before anybody knows whose they are.

Whoever changes what lies in a study holds its row; rows are locked in the order patient, study,
blob, job, organisation's head, and within a table in the order of their keys.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    func,
    literal_column,
    text,
)

from pacs.attributes import KEYED, Attribute, Level, Matching, at_level

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """Microseconds since 1970 (UTC): how every time is kept, the same in both databases."""
    return (at - EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    return EPOCH + timedelta(microseconds=value)


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept as `micros`."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else micros(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else moment(value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BLANK = literal_column("''", Text)
"""Part of an index's expression, so never a parameter."""

Serial = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts rows up by itself only when the key is called INTEGER."""


Key = Text().with_variant(Text(collation="C"), "postgresql")
"""Compared byte by byte, as SQLite does, so that both databases order alike and an index serves
`LIKE 'begin%'` whatever language the PostgreSQL cluster was made for."""


def _pk() -> Column[int]:
    return Column("pk", Serial, primary_key=True, autoincrement=True)


def _org() -> Column[int]:
    return Column("org_id", Integer, ForeignKey("organizations.id"), nullable=False)


def _of(table: str, name: str) -> Column[int]:
    return Column(name, BigInteger, ForeignKey(f"{table}.pk"), nullable=False)


def _instant(name: str, *, nullable: bool = False) -> Column[datetime]:
    return Column(name, Instant, nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


def _columns(attribute: Attribute) -> list[Column[Any]]:
    number = attribute.matching is Matching.NUMBER
    if attribute.computed and number:
        return [_count(attribute.column)]
    columns: list[Column[Any]] = [Column(attribute.column, Key)]
    if attribute.matching in KEYED:
        columns.append(Column(attribute.key_column, BigInteger() if number else Key))
    return columns


def _attributes(level: Level) -> list[Column[Any]]:
    return [column for attribute in at_level(level) for column in _columns(attribute)]


organizations = Table(
    "organizations",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("code", Text, nullable=False, unique=True),
    _text("name"),
)

patients = Table(
    "patients",
    metadata,
    _pk(),
    _org(),
    Column("identity", Text, nullable=False),  # see storage.rows.patient_identity
    *_attributes(Level.PATIENT),
    UniqueConstraint("org_id", "identity"),
    Index(None, "org_id", "patient_id"),
    Index(None, "org_id", "patient_birth_date_key"),
)

studies = Table(
    "studies",
    metadata,
    _pk(),
    _org(),
    _of("patients", "patient_pk"),
    *_attributes(Level.STUDY),
    Column("state", Text, nullable=False),  # see pacs.studies
    Column("flags", Text, nullable=False, server_default=text("''")),  # words joined by a backslash
    Column("priority", Text, nullable=False, server_default=text("'normal'")),  # see pacs.keeping
    _text("clinical_notes", nullable=True),
    _count("size_bytes"),
    _instant("first_received_at"),
    _instant("last_received_at"),
    Column("version", Integer, nullable=False, server_default="1"),
    UniqueConstraint("org_id", "study_instance_uid"),
    Index(None, "patient_pk"),
    Index(None, "org_id", "accession_number"),
    Index(None, "org_id", "study_id"),
    Index(None, "org_id", "last_received_at"),
)
# A page of answers is read from one of these; a missing value sorts like the empty one.
Index(
    "ix_studies_newest_first",
    studies.c.org_id,
    func.coalesce(studies.c.study_date_key, BLANK),
    func.coalesce(studies.c.study_time_key, BLANK),
    studies.c.pk,
)
Index(
    "ix_patients_by_name",
    patients.c.org_id,
    func.coalesce(patients.c.patient_name_key, BLANK),
    patients.c.pk,
)

series = Table(
    "series",
    metadata,
    _pk(),
    _org(),
    _of("studies", "study_pk"),
    *_attributes(Level.SERIES),
    _count("size_bytes"),
    UniqueConstraint("study_pk", "series_instance_uid"),
    Index(None, "org_id", "series_instance_uid"),
    Index(None, "org_id", "modality"),
)

instances = Table(
    "instances",
    metadata,
    _pk(),
    _org(),
    _of("series", "series_pk"),
    *_attributes(Level.IMAGE),
    Column("current_version", Integer, nullable=False),
    UniqueConstraint("series_pk", "sop_instance_uid"),
    Index(None, "org_id", "sop_instance_uid"),
)

blobs = Table(
    "blobs",
    metadata,
    Column("address", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("refcount", Integer, nullable=False),  # rows of versions and kept_blobs that name it
    Column("state", Text, nullable=False),  # live, or deleting: the sweep has it
    _instant("unreferenced_since", nullable=True),
    Index(None, "unreferenced_since"),
)

versions = Table(
    "versions",
    metadata,
    _of("instances", "instance_pk"),
    Column("n", Integer, nullable=False, autoincrement=False),
    _org(),
    Column("blob", Text, ForeignKey("blobs.address"), nullable=False),
    _text("dataset_digest"),
    Column("dataset_offset", Integer, nullable=False),
    _text("transfer_syntax"),
    Column("frames", LargeBinary),
    _instant("received_at"),
    _text("source_kind"),
    _text("source_name"),
    _text("correlation_id"),
    PrimaryKeyConstraint("instance_pk", "n"),
    Index(None, "blob"),
)

# Beside the row of versions rather than in it: searches and retrievals walk those.
prepared_metadata = Table(
    "prepared_metadata",
    metadata,
    Column("instance_pk", BigInteger, nullable=False),
    Column("n", Integer, nullable=False, autoincrement=False),
    _org(),
    Column("format", Integer, nullable=False),  # pacs.prepared.FORMAT of the code that made it
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("instance_pk", "n"),
    ForeignKeyConstraint(["instance_pk", "n"], ["versions.instance_pk", "versions.n"], ondelete="CASCADE"),
)

# What refers to a blob that is no version of an instance: by what and why, see `storage.keeping`.
kept_blobs = Table(
    "kept_blobs",
    metadata,
    Column("owner", Text, nullable=False),  # id of a deletion or of a task
    Column("position", Integer, nullable=False, autoincrement=False),
    _org(),
    Column("blob", Text, ForeignKey("blobs.address"), nullable=False),
    _text("name"),
    PrimaryKeyConstraint("owner", "position"),
    Index(None, "blob"),
)

deletions = Table(
    "deletions",
    metadata,
    Column("id", Text, primary_key=True),
    _org(),
    _text("study_instance_uid"),
    _text("sop_instance_uid", nullable=True),
    Column("instances", Integer, nullable=False),
    _text("reason"),
    _text("actor_name"),
    _instant("deleted_at"),
    _instant("purge_at"),
    Index(None, "org_id", "deleted_at"),
)

sequence_values = Table(
    "sequence_values",
    metadata,
    _org(),
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
    _pk(),
    _org(),
    Column("title", Text, nullable=False, unique=True),
    _text("host", nullable=True),
    Column("port", Integer),
    Column("rights", Text, nullable=False),  # of pacs.access.RIGHTS, joined by commas
    Column("tls", Boolean, nullable=False),
)

users = Table(
    "users",
    metadata,
    _pk(),
    _org(),
    Column("email", Text, nullable=False, unique=True),  # lower case
    Column("role", Text, nullable=False),  # of pacs.rights.ROLES
    _text("first_name"),
    _text("last_name"),
    _text("password_hash", nullable=True),
    Column("must_change_password", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    _instant("created_at"),
    Index(None, "org_id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    _org(),
    _of("users", "user_pk"),
    Column("kind", Text, nullable=False),  # of pacs.accounts.SessionKind
    Column("role", Text, nullable=False),
    _text("address"),
    _instant("created_at"),
    _instant("expires_at"),
    _instant("revoked_at", nullable=True),
    Index(None, "user_pk"),
)

# Of addresses of nobody too: they belong to no organisation.
sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("email", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    _instant("since"),
    PrimaryKeyConstraint("email", "address"),
    Index(None, "since"),
)

jobs = Table(
    "jobs",
    metadata,
    _pk(),
    _org(),
    _text("kind"),
    _text("key", nullable=True),
    _text("payload"),
    Column("state", Text, nullable=False),  # waiting, running, failed; a finished job has no row
    _instant("run_at"),
    Column("attempt", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    _text("worker", nullable=True),
    _text("token", nullable=True),
    _instant("lease_until", nullable=True),
    _text("last_error", nullable=True),
    _text("correlation_id"),
    _instant("created_at"),
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

# Work that somebody follows: unlike a job, a finished task stays to be seen.
tasks = Table(
    "tasks",
    metadata,
    Column("id", Text, primary_key=True),
    _org(),
    _text("kind"),
    Column("status", Text, nullable=False),  # see pacs.tasks
    _text("study_instance_uid", nullable=True),
    _text("message"),
    Column("total_items", Integer, nullable=False),
    Column("processed_items", Integer, nullable=False),
    Column("failed_items", Integer, nullable=False),
    Column("skipped_items", Integer, nullable=False),
    _text("errors"),
    _text("actor_name"),
    _text("actor_address"),
    _text("correlation_id"),
    _instant("created_at"),
    _instant("updated_at"),
    Index(None, "org_id", "created_at"),
)

changes = Table(
    "changes",
    metadata,
    _org(),
    Column("seq", BigInteger, nullable=False, autoincrement=False),
    _instant("at"),
    _text("kind"),
    _text("resource"),
    _text("payload"),
    _text("correlation_id"),
    PrimaryKeyConstraint("org_id", "seq"),
)

audit = Table(
    "audit",
    metadata,
    _org(),
    Column("seq", BigInteger, nullable=False, autoincrement=False),
    _instant("at"),
    _text("actor_kind"),
    _text("actor_name"),
    _text("actor_address"),
    _text("correlation_id"),
    _text("action"),
    _text("outcome"),
    _text("resource"),
    _text("details"),
    _text("hash"),
    PrimaryKeyConstraint("org_id", "seq"),
    Index(None, "org_id", "resource"),
    Index(None, "org_id", "at"),
)

# The last numbers given: locked last in a transaction, so that numbers follow commits.
org_heads = Table(
    "org_heads",
    metadata,
    Column("org_id", Integer, ForeignKey("organizations.id"), primary_key=True, autoincrement=False),
    _count("audit_seq"),
    Column("audit_hash", Text, nullable=False, server_default=text("''")),
    _count("change_seq"),
)
