"""The length of a list, as far as it is worth its price: counting reads every row of it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Table, func, literal, select

COUNTED = 10_000


def counted(connection: Connection, table: Table, *conditions: ColumnElement[bool]) -> int | None:
    """The number of rows that meet the conditions; None for more than `COUNTED`."""
    met = select(literal(1)).select_from(table).where(*conditions).limit(COUNTED + 1).subquery()
    found: int = connection.execute(select(func.count()).select_from(met)).scalar_one()
    return found if found <= COUNTED else None
