"""Waiting for a job: PostgreSQL tells of one that is due (NOTIFY), so that it begins at once.

Only a hint. A worker looks at the queue after every wait, told or not: SQLite tells nothing, and
neither does a lost connection, which the next wait makes anew, or a pooler between us and it.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

import psycopg
from sqlalchemy import Connection

from pacs.errors import Unavailable
from storage.database import Database

_CHANNEL = "pacs_jobs"
_SLICE = 0.25  # seconds after which a wait sees that it shall stop


def announce(connection: Connection) -> None:
    """Wake who waits, when this transaction is committed."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"NOTIFY {_CHANNEL}")


class Wakeups:
    """For one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Any = None

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Until a job may be due, `stop` is set or so many seconds have passed; whether told of a job."""
        if self._database.dialect != "postgresql":
            stop.wait(seconds)
            return False
        deadline = time.monotonic() + seconds
        try:
            return self._told(stop, deadline)
        except (psycopg.Error, Unavailable):
            self._close()
            stop.wait(max(0.0, deadline - time.monotonic()))
            return False
        finally:
            if stop.is_set():
                self._close()

    def _told(self, stop: threading.Event, deadline: float) -> bool:
        if self._connection is None:
            self._connection = self._database.own_connection()
            self._connection.execute(f"LISTEN {_CHANNEL}")
        while not stop.is_set() and (left := deadline - time.monotonic()) > 0:
            if any(True for _ in self._connection.notifies(timeout=min(left, _SLICE), stop_after=1)):
                return True
        return False

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None
