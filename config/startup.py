"""What is done before the children of a node start, in a child of its own."""

from __future__ import annotations

import time

import structlog

from config.compose import open_blobs, prepare, store_is_ready
from config.settings import Settings
from pacs import passwords
from pacs.accounts import FIRST_ADMINISTRATOR
from pacs.actor import DEFAULT_ORGANIZATION, system_actor
from pacs.errors import DatabaseDamaged, DatabaseUnavailable, Unavailable
from storage.accounts.users import NewUser, SqlAccounts
from storage.database import Database
from storage.upkeep.reconcile import reconcile

log = structlog.get_logger(__name__)


def prepare_node(settings: Settings) -> None:
    """Upgrade the schema, and clean up after a crash.

    Waits a while for a database that is just starting. An object store that does not answer is only
    logged: it is tried again for every object.
    """
    deadline = time.monotonic() + settings.database_patience
    while True:
        try:
            prepare(settings)
            break
        except DatabaseDamaged:
            raise
        except DatabaseUnavailable:
            if time.monotonic() > deadline:
                raise
            log.warning("waiting for the database")
            time.sleep(1)
    database = Database(settings.resolved_database_url)
    blobs = open_blobs(settings, database)
    try:
        reconcile(database, blobs)
        store_is_ready(blobs)
    except DatabaseUnavailable:
        raise
    except Unavailable as error:  # what needs no objects can be served
        log.warning(
            "objects can be neither stored nor fetched now",
            where=settings.blobs_url or str(settings.data_dir),
            error=str(error),
            hint="senders are told to try again later; `pacs doctor` says what is wrong and what to do",
        )
    finally:
        blobs.close()
        database.close()


def first_administrator(settings: Settings) -> str:
    """Create it when there are no users; returns its one-time password, else an empty string."""
    password = passwords.one_time()
    new = NewUser(DEFAULT_ORGANIZATION, FIRST_ADMINISTRATOR, "admin", passwords.hashed(password), True)
    database = Database(settings.resolved_database_url)
    try:
        made = SqlAccounts(database).add_first(system_actor("first start"), new)
    finally:
        database.close()
    return password if made else ""
