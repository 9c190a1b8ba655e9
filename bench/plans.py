"""How the database means to answer: EXPLAIN of what the archive asks it for a query's first answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, event

from pacs.attributes import LEVELS, Level
from pacs.search.parser import Scope, parse_query
from storage.database import Database
from storage.search.pages import find

ORGANIZATION = 1


def plan(database: Database, keys: Mapping[tuple[int, int], str]) -> str:
    """The plans of the SELECTs, one line a step."""
    query = parse_query(
        Scope(Level.STUDY, LEVELS[1:]),
        [(group << 16 | number, text) for (group, number), text in keys.items()],
    )
    asked: list[tuple[str, Any]] = []

    def remember(_: Connection, __: Any, statement: str, values: Any, *___: Any) -> None:
        asked.append((statement, values))

    event.listen(Engine, "before_cursor_execute", remember)
    try:
        next(find(database, ORGANIZATION, query), None)
    finally:
        event.remove(Engine, "before_cursor_execute", remember)
    explain = "EXPLAIN QUERY PLAN" if database.dialect == "sqlite" else "EXPLAIN"
    with database.search() as connection:
        selects = [(statement, values) for statement, values in asked if "FROM studies" in statement]
        return "\n".join(
            str(row[-1])
            for statement, values in selects
            for row in connection.exec_driver_sql(f"{explain} {statement}", values)
        )
