"""Waiting for a job: PostgreSQL announces new ones (NOTIFY), so that they start at once.

Only a hint. A worker looks at the queue after every wait, notified or not: there are no notifications
from SQLite, over a lost connection (which the next wait replaces) or through a pooler.
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
_SLICE = 0.25  # seconds between checks of the stop event


def announce(connection: Connection) -> None:
    """Wake the waiting workers when this transaction commits."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"NOTIFY {_CHANNEL}")


class Wakeups:
    """For use by one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Any = None

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait until a job may be due, `stop` is set or the time has passed; True when notified of a job."""
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
