"""A PostgreSQL that says nothing more is not waited for: the kernel of one that froze still answers TCP.

No timeout of the server's own ends that. So each wait of a connection has an end here, longer than what
the server itself bounds. A connection whose answer did not come is closed, since nobody knows what was
done; SQLAlchemy then makes all others anew.
"""

from __future__ import annotations

from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Engine, event

SILENCE = 30.0
"""Seconds that a statement may take: search gives up after 10, and who waits for a row after 15."""
PING = 5.0
"""Seconds in which a connection that was idle must show that it lives."""

R = TypeVar("R")


class Impatient(psycopg.Connection[Any]):
    """`OperationalError` when an answer does not come within `patience` seconds; None waits for ever."""

    patience: float | None = None

    def wait(self, gen: PQGen[R], interval: float = 0.1, timeout: float | None = None) -> R:
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if timeout is None and error.sqlstate is None:  # which is no word of the server's
                self.close()
            raise


def bound_silence(engine: Engine, patience: float | None) -> None:
    """Before the engine's first connection."""
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
