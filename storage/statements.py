"""Precompiled statements for the hot path of ingest and retrieval, executed directly by the driver.

SQLAlchemy's execution costs more than SQLite's work on one row, and an image takes fifteen statements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, UpdateBase
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.base import Executable

Row = Mapping[str, Any]
_Converters = tuple[tuple[Any, Callable[[Any], Any]], ...]


@dataclass(frozen=True, slots=True)
class _Compiled:
    text: str
    order: tuple[str, ...] | None
    """The parameters' names in order, for a driver with positional parameters."""
    constants: Row
    bind: _Converters
    """The converters of parameters, by name."""
    names: tuple[str, ...]
    """The names of the result's columns."""
    result: _Converters
    """The converters of the result's columns, by position."""

    def parameters(self, given: Row) -> Any:
        values = {**self.constants, **given}
        for name, convert in self.bind:
            values[name] = convert(values[name])
        return values if self.order is None else [values[name] for name in self.order]

    def converted(self, row: Sequence[Any]) -> Sequence[Any]:
        if not self.result:
            return row
        values = list(row)
        for position, convert in self.result:
            values[position] = convert(values[position])
        return values


@lru_cache(maxsize=512)
def _compiled(statement: Any, dialect: Dialect, given: tuple[str, ...]) -> _Compiled:
    writes = isinstance(statement, UpdateBase)
    keys = [name for name in given if name in statement.table.c] if writes else None
    compiled = statement.compile(dialect=dialect, column_keys=keys)
    binds, returned = compiled.binds, list(statement.exported_columns)
    bind = ((name, b.type.dialect_impl(dialect).bind_processor(dialect)) for name, b in binds.items())
    result = (c.type.dialect_impl(dialect).result_processor(dialect, None) for c in returned)
    return _Compiled(
        text=compiled.string,
        order=tuple(compiled.positiontup) if compiled.positional else None,
        constants={name: b.value for name, b in binds.items() if not b.required},
        bind=tuple((name, convert) for name, convert in bind if convert),
        names=tuple(column.key for column in returned),
        result=tuple((n, convert) for n, convert in enumerate(result) if convert),
    )


def rows(connection: Connection, statement: Executable, parameters: Row) -> list[Sequence[Any]]:
    """The resulting rows; raises `DBAPIError` as SQLAlchemy does."""
    compiled = _compiled(statement, connection.dialect, tuple(parameters))
    cursor = connection.connection.cursor()
    try:
        cursor.execute(compiled.text, compiled.parameters(parameters))
        found = cursor.fetchall() if compiled.names else ()
    except _driver(connection).Error as error:
        raise _translated(error, connection, compiled.text) from error
    cursor.close()
    return [compiled.converted(row) for row in found]


def first(connection: Connection, statement: Executable, parameters: Row) -> dict[str, Any] | None:
    """The first resulting row by column name, or None."""
    names = _compiled(statement, connection.dialect, tuple(parameters)).names
    found = rows(connection, statement, parameters)
    return dict(zip(names, found[0], strict=True)) if found else None


def scalar(connection: Connection, statement: Executable, parameters: Row) -> Any:
    """The first column of the first resulting row, or None."""
    found = rows(connection, statement, parameters)
    return found[0][0] if found else None


def run(connection: Connection, statement: Executable, many: Sequence[Row]) -> None:
    """Execute once for each of `many`, which must have the same keys in the same order."""
    compiled = _compiled(statement, connection.dialect, tuple(many[0]))
    cursor = connection.connection.cursor()
    try:
        cursor.executemany(compiled.text, [compiled.parameters(one) for one in many])
    except _driver(connection).Error as error:
        raise _translated(error, connection, compiled.text) from error
    cursor.close()


def _driver(connection: Connection) -> Any:
    return connection.dialect.dbapi


def _translated(error: Exception, connection: Connection, text: str) -> BaseException:
    dialect = connection.dialect
    return DBAPIError.instance(
        text, None, error, _driver(connection).Error, hide_parameters=True, dialect=dialect
    )
