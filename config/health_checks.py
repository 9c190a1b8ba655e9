"""The checks of the health resources: each returns details, or raises when something is wrong."""

from __future__ import annotations

import errno
import os
import shutil
from functools import partial

from config.compose import Installation, store_is_ready
from config.settings import Settings
from dimse.client import Destination, open_association, proposals
from dimse.ended import Rejected
from dimse.sop_classes import VERIFICATION
from dimse.status import SUCCESS
from pacs.dicom.transfer_syntaxes import IMPLICIT_LITTLE
from pacs.errors import Unavailable
from pacs.http.health import Check, Details
from storage import figures
from storage.shared_figures import ALL

PATIENCE = 1.0  # seconds for the DICOM listener, fewer than all checks together have
OVERDUE = 60.0  # seconds; workers look for jobs every second
_PERMANENT = 1  # PS3.8 Table 9-21


def vital(installation: Installation) -> dict[str, Check]:
    """Those that decide whether this node can store and return an object."""
    return {"database": partial(_database, installation), "storage": partial(_storage, installation)}


def others(installation: Installation) -> dict[str, Check]:
    return {
        "cache": partial(_cache, installation),
        "workers": partial(_workers, installation),
        "dimse": partial(_dimse, installation.settings),
        "models": lambda: {"installed": []},  # models cannot be installed yet
    }


def _database(installation: Installation) -> Details:
    figures.answers(installation.database)
    return {"kind": installation.database.dialect}


def _storage(installation: Installation) -> Details:
    store_is_ready(installation.blobs)
    settings = installation.settings
    kind = (settings.blobs_url or "file").partition(":")[0]
    return {"kind": kind, "free_bytes_of_data_folder": shutil.disk_usage(settings.data_dir).free}


def _cache(installation: Installation) -> Details:
    cache = installation.cache
    if not os.access(cache.folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "the cache's folder cannot be written")
    found = cache.statistics(ALL)
    return {"entries": found.entries, "bytes": found.bytes, "limit_bytes": installation.settings.cache_size}


def _workers(installation: Installation) -> Details:
    """Those of all nodes, as they share their jobs."""
    overdue = figures.overdue(installation.database)
    if overdue.seconds > OVERDUE and not overdue.worked:
        raise NobodyWorks
    jobs = {state: int(count) for state, count in figures.jobs_by_state(installation.database).items()}
    return {"jobs": jobs, "overdue_seconds": overdue.seconds}


class NobodyWorks(Unavailable):
    """Jobs have been due for a long time, and no worker runs any."""


def _dimse(settings: Settings) -> Details:
    """C-ECHO to this node's own listener. A permanent rejection of this caller counts as an answer."""
    title, address = settings.ae_title, settings.dimse
    destination = Destination(address.reachable_host, address.port, title, title, PATIENCE)
    try:
        with open_association(destination, proposals([(VERIFICATION, (IMPLICIT_LITTLE,))])) as association:
            answers = association.echo() == SUCCESS
    except Rejected as rejected:
        answers = rejected.reject.result == _PERMANENT
    if not answers:
        raise Unavailable
    return {"ae_title": title, "listens": str(address)}
