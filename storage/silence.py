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

SILENCE = 30.0
"""Seconds that a statement may take: the server ends a search after 10, a wait for a row after 15."""
PING = 5.0
"""Seconds within which an idle connection must answer a ping."""

R = TypeVar("R")


class Impatient(psycopg.Connection[Any]):
    """`OperationalError` when an answer does not come within `patience` seconds; None waits for ever."""

    patience: float | None = None

    def wait(self, gen: PQGen[R], interval: float = 0.1, timeout: float | None = None) -> R:
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if timeout is None and error.sqlstate is None:  # not an error of the server
                self.close()
            raise


def bound_silence(engine: Engine, patience: float | None) -> None:
    """Call before the engine's first connection."""
    ping = engine.dialect.do_ping

    def connect(_: Any, __: Any, arguments: Any, options: Any) -> Impatient:
        made = Impatient.connect(*arguments, **options)
        made.patience = patience
        return made

    def quick_ping(connection: Any) -> bool:
        connection.patience = PING
        try:
            return ping(connection)
        finally:
            connection.patience = patience

    event.listen(engine, "do_connect", connect)
    engine.dialect.do_ping = quick_ping  # type: ignore[method-assign, assignment]  # no event has its place
