"""Timeouts for a PostgreSQL server that has frozen, whose kernel still answers TCP keepalives.

The server's own timeouts cannot end that, so each wait of a connection is bounded here, by longer than
the server's bounds. A connection whose answer did not arrive is closed, since its outcome is unknown;
SQLAlchemy then replaces all others.
"""

from __future__ import annotations

from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

ANSWER_TIMEOUT = 30.0
"""Seconds that a statement may take: the server ends a search after 10, a wait for a row after 15."""
PING_TIMEOUT = 5.0
"""Seconds within which an idle connection must answer a ping."""

R = TypeVar("R")


class BoundedConnection(psycopg.Connection[Any]):
    """`OperationalError` when an answer does not come within `patience` seconds; None waits for ever."""

    patience: float | None = None

    def wait(self, gen: PQGen[R], interval: float = 0.1, timeout: float | None = None) -> R:
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if timeout is None and error.sqlstate is None:  # not an error of the server
                self.close()
            raise


class BoundedPing(PGDialect_psycopg):
    """A ping finds out whether the server is there, so it waits less long than a statement."""

    supports_statement_cache = True

    def do_ping(self, dbapi_connection: Any) -> bool:
        patience, dbapi_connection.patience = dbapi_connection.patience, PING_TIMEOUT
        try:
            return super().do_ping(dbapi_connection)  # type: ignore[no-untyped-call, no-any-return]
        finally:
            dbapi_connection.patience = patience


registry.register("postgresql.bounded", __name__, BoundedPing.__name__)
DRIVER = "postgresql+bounded"
"""The driver's name in the URL of an engine, by which SQLAlchemy finds the dialect."""


def bound_answers(engine: Engine, patience: float | None) -> None:
    """Call before the engine's first connection."""

    def connect(_: Any, __: Any, arguments: Any, options: Any) -> BoundedConnection:
        made = BoundedConnection.connect(*arguments, **options)
        made.patience = patience
        return made

    event.listen(engine, "do_connect", connect)
