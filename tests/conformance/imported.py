"""All that a server is made of, imported once for all that are forked.

But not `prometheus_client`, nor who imports it: it looks at once where an installation counts, and each has
a folder of its own.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

_COUNTS = "prometheus_client"
_ALSO = ("anyio._backends._asyncio", "psycopg", "uvicorn.protocols.http.httptools_impl", "uvloop")
"""Imported late, by what a server is made of."""

_modules: dict[str, Any] = sys.modules
_modules[_COUNTS] = None
for _package in map(import_module, ("pacs", "storage", "dimse", "dicomweb", "worklist", "config")):
    for _found in walk_packages(_package.__path__, f"{_package.__name__}."):
        with suppress(Exception):  # what fails without it, or only where it is used, is left to the server
            import_module(_found.name)
for _name in _ALSO:
    import_module(_name)
del _modules[_COUNTS]
import_module("tests.waiting").wait_longer()
