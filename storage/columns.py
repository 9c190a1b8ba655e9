"""The kinds of columns that tables are made of, and the schema object.

Columns of searchable attributes are generated from `pacs.attributes.TABLE`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    ForeignKey,
    Integer,
    MetaData,
    Text,
    TypeDecorator,
    literal_column,
)

from pacs.attributes import KEYED, Attribute, Level, Matching, kept_at

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """Microseconds since 1970 (UTC), the representation of every time in both databases."""
    return (at - EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    return EPOCH + timedelta(microseconds=value)


class Instant(TypeDecorator[datetime]):
    """An aware datetime, stored as `micros`."""

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
"""A literal, because the expression of an index must not contain parameters."""

Serial = BigInteger().with_variant(Integer, "sqlite")
"""SQLite autoincrements a primary key only when its type is INTEGER."""


Key = Text().with_variant(Text(collation="C"), "postgresql")
"""Compared byte by byte, as SQLite does, so that both databases order alike and an index serves
`LIKE 'begin%'` whatever language the PostgreSQL cluster was made for."""


def pk() -> Column[int]:
    return Column("pk", Serial, primary_key=True, autoincrement=True)


def org() -> Column[int]:
    return Column("org_id", Integer, ForeignKey("organizations.id"), nullable=False)


def of(table: str, name: str) -> Column[int]:
    return Column(name, BigInteger, ForeignKey(f"{table}.pk"), nullable=False)


def instant(name: str, *, nullable: bool = False) -> Column[datetime]:
    return Column(name, Instant, nullable=nullable)


def words(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable)


def count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


def _columns(attribute: Attribute) -> list[Column[Any]]:
    number = attribute.matching is Matching.NUMBER
    if attribute.computed and number:
        return [count(attribute.column)]
    columns: list[Column[Any]] = [Column(attribute.column, Key)]
    if attribute.matching in KEYED:
        columns.append(Column(attribute.key_column, BigInteger() if number else Key))
    return columns


def attributes(level: Level) -> list[Column[Any]]:
    return [column for attribute in kept_at(level) for column in _columns(attribute)]
