"""All that a server is made of, imported once for all that are forked.

Also `prometheus_client`, which looks at once where an installation counts. Here it finds a folder that is
gone afterwards; a forked process has another number, by which it notices that its own must be begun.
"""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from importlib import import_module
from pkgutil import walk_packages
from tempfile import TemporaryDirectory

_ALSO = ("anyio._backends._asyncio", "psycopg", "uvicorn.protocols.http.httptools_impl", "uvloop")
"""Imported late, by what a server is made of."""
_COUNTS = "PROMETHEUS_MULTIPROC_DIR"

with TemporaryDirectory() as _folder:
    os.environ[_COUNTS] = _folder
    for _package in map(import_module, ("pacs", "storage", "dimse", "dicomweb", "worklist", "config")):
        for _found in walk_packages(_package.__path__, f"{_package.__name__}."):
            with suppress(Exception):  # what is only of use where it is run is left to the server
                import_module(_found.name)
    for _name in _ALSO:
        import_module(_name)
    del os.environ[_COUNTS]
import_module("tests.waiting").wait_longer()
gc.collect()
gc.freeze()  # else each server, which collects before it forks, looks through all of it
