"""Verifying counts and sums in rows against the rows below them, for `pacs verify`.

Each statement compares one level with the level right below it, so all of them together compare
studies and patients with instances.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, case, func, select
from sqlalchemy.sql.selectable import FromClause

from storage.announced import ANNOUNCED_ONLY
from storage.database import Database
from storage.tables import blobs, instances, patients, series, studies, versions

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Miscount:
    """`resource` names a study or series by UID, a patient by its row's number (no PHI)."""

    organization: int
    resource: str
    column: str
    kept: Any
    counted: Any


@dataclass(frozen=True, slots=True)
class _Rule:
    """`truth`: expressions over the rows below for columns of `table`."""

    table: Table
    name: Column[Any]
    truth: dict[str, ColumnElement[Any]]

    def statement(self) -> Select[Any]:
        kept = [self.table.c[column].label(f"kept_{column}") for column in self.truth]
        counted = [truth.label(f"counted_{column}") for column, truth in self.truth.items()]
        return select(self.table.c.pk, self.table.c.org_id, self.name.label("name"), *kept, *counted)


def _one(value: ColumnElement[Any], source: FromClause, *where: ColumnElement[bool]) -> ColumnElement[Any]:
    return select(value).select_from(source).where(*where).scalar_subquery()


def _sum(column: Column[Any], source: FromClause, *where: ColumnElement[bool]) -> ColumnElement[Any]:
    return _one(func.coalesce(func.sum(column), 0), source, *where)


def _set(column: Column[Any], source: FromClause, where: ColumnElement[bool]) -> ColumnElement[Any]:
    """The distinct values, joined by backslashes."""
    values = select(column.label("value")).select_from(source).where(where).distinct().correlate(studies)
    return select(func.aggregate_strings(values.subquery().c.value, "\\")).scalar_subquery()


_of_series = instances.c.series_pk == series.c.pk
_of_study = series.c.study_pk == studies.c.pk
_of_patient = studies.c.patient_pk == patients.c.pk
_kept_bytes = instances.join(versions, versions.c.instance_pk == instances.c.pk).join(
    blobs, blobs.c.address == versions.c.blob
)

_RULES = (
    _Rule(
        series,
        series.c.series_instance_uid,
        {
            "number_of_series_related_instances": _one(func.count(), instances, _of_series),
            "size_bytes": _sum(blobs.c.size, _kept_bytes, _of_series),
        },
    ),
    _Rule(
        studies,
        studies.c.study_instance_uid,
        {
            "number_of_study_related_series": _one(func.count(), series, _of_study),
            "number_of_study_related_instances": _sum(
                series.c.number_of_series_related_instances, series, _of_study
            ),
            "size_bytes": _sum(series.c.size_bytes, series, _of_study),
            "modalities_in_study": case(
                (ANNOUNCED_ONLY, studies.c.modalities_in_study),
                else_=_set(series.c.modality, series, _of_study),
            ),
            "sop_classes_in_study": _set(
                instances.c.sop_class_uid, series.join(instances, _of_series), _of_study
            ),
        },
    ),
    _Rule(
        patients,
        patients.c.pk,
        {
            "number_of_patient_related_studies": _one(func.count(), studies, _of_patient),
            "number_of_patient_related_series": _sum(
                studies.c.number_of_study_related_series, studies, _of_patient
            ),
            "number_of_patient_related_instances": _sum(
                studies.c.number_of_study_related_instances, studies, _of_patient
            ),
        },
    ),
)


def miscounts(database: Database) -> Iterator[Miscount]:
    """Every row whose counts are wrong; safe while objects are being stored."""
    for rule in _RULES:
        after = 0
        while rows := _page(database, rule, after):
            for row in rows:
                if any(_differences(rule, row)):
                    yield from _seen_again(database, rule, row["pk"])
            after = rows[-1]["pk"]


def _page(database: Database, rule: _Rule, after: int) -> list[dict[str, Any]]:
    page = rule.statement().where(rule.table.c.pk > after).order_by(rule.table.c.pk).limit(_PAGE)
    with database.read() as connection:
        return [dict(row) for row in connection.execute(page).mappings()]


def _seen_again(database: Database, rule: _Rule, pk: int) -> list[Miscount]:
    """The differences that persist while the row is locked, so that nothing below it changes."""
    with database.write() as connection:
        _hold(connection, rule, pk)
        row = connection.execute(rule.statement().where(rule.table.c.pk == pk)).mappings().first()
        return [] if row is None else list(_differences(rule, dict(row)))


def _hold(connection: Connection, rule: _Rule, pk: int) -> None:
    """Lock the row: every transaction that changes anything below holds it (`storage.tables`)."""
    table, row = rule.table, rule.table.c.pk == pk
    if table is series:
        table, row = studies, studies.c.pk.in_(select(series.c.study_pk).where(row))
    connection.execute(select(table.c.pk).where(row).with_for_update())


def _differences(rule: _Rule, row: dict[str, Any]) -> Iterator[Miscount]:
    for column in rule.truth:
        kept, counted = row[f"kept_{column}"], row[f"counted_{column}"]
        if _comparable(kept) != _comparable(counted):
            yield Miscount(row["org_id"], f"{rule.table.name}/{row['name']}", column, kept, counted)


def _comparable(value: Any) -> Any:
    """Text is a set of values; sums of PostgreSQL are decimals, which compare with integers."""
    if value is None or isinstance(value, str):
        return frozenset(value.split("\\")) - {""} if value else frozenset()
    return value
