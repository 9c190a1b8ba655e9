"""The walls of the house: who imports whom, where each library lives, how large things may grow."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacs import errors

ROOT = Path(__file__).resolve().parents[1]

BELOW = {
    "pacs": set(),
    "worklist": {"pacs"},
    "storage": {"worklist", "pacs"},
    "dimse": {"worklist", "pacs"},
    "dicomweb": {"worklist", "pacs"},
    "config": {"storage", "dimse", "dicomweb", "worklist", "pacs"},
}
"""Each package and what it may import; never a sibling, never what is above."""

HOMES: dict[str, str | tuple[str, ...]] = {
    "numpy": "pacs/pixels",
    "PIL": "pacs/pixels",
    "pylibjpeg": "pacs/pixels",
    "libjpeg": "pacs/pixels",
    "openjpeg": "pacs/pixels",
    "jpeg_ls": "pacs/pixels",
    "jwt": "pacs/http",
    "anyio": "pacs/http",
    "argon2": "pacs/passwords.py",
    "isal": "pacs/deflate.py",
    "prometheus_client": "pacs/metrics.py",
    "sqlalchemy": "storage",
    "alembic": "storage",
    "psycopg": "storage",
    "obstore": "storage",
    "blake3": "storage",
    "pynetdicom": "dimse",
    "uvicorn": "config",
    "click": "config",
    "rich": "config",
    "pydantic": ("config", "pacs/http"),
}
"""Third-party libraries that live in one place only."""

HTTP_EDGES = ("pacs/http", "worklist/http", "dicomweb")
ANYWHERE = {"pydicom", "structlog", "orjson"}

MAX_MODULE, MAX_FUNCTION, MAX_PARAMETERS = 400, 60, 6

MODULES = sorted(path for package in BELOW for path in (ROOT / package).rglob("*.py"))


def where(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{where(path)}: relative import"
            yield node.module or ""


@pytest.mark.parametrize("path", MODULES, ids=where)
def test_arrows_point_down(path: Path) -> None:
    package = where(path).split("/")[0]
    used = {name.split(".")[0] for name in imports(path)} & BELOW.keys()
    assert used <= BELOW[package] | {package}


@pytest.mark.parametrize("path", MODULES, ids=where)
def test_libraries_stay_at_home(path: Path) -> None:
    for name in {name.split(".")[0] for name in imports(path)}:
        if name in HOMES:
            assert where(path).startswith(HOMES[name]), name
        elif name == "starlette":
            assert where(path).startswith(HTTP_EDGES), name


def test_every_dependency_has_a_home() -> None:
    used = {name.split(".")[0] for path in MODULES for name in imports(path)}
    ours = BELOW.keys() | HOMES.keys() | ANYWHERE | {"starlette"}
    assert used - ours - sys.stdlib_module_names == set()


@pytest.mark.parametrize("path", MODULES, ids=where)
def test_things_stay_small(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= MAX_MODULE
    migration = "migrations/versions" in where(path)
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or migration:
            continue
        assert (node.end_lineno or 0) - node.lineno < MAX_FUNCTION, node.name
        given = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        assert len([name for name in given if name not in ("self", "cls")]) <= MAX_PARAMETERS, node.name


@pytest.mark.parametrize("path", [p for p in MODULES if p.read_text("utf-8").strip()], ids=where)
def test_every_module_says_what_it_is(path: Path) -> None:
    if "migrations/versions" not in where(path):
        assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


LOGGERS = ("log", "security", "self.logger")
LOG_EVENT = re.compile(r"[a-z][a-z',;:? -]+")


@pytest.mark.parametrize("path", MODULES, ids=where)
def test_log_events_are_short_constant_phrases(path: Path) -> None:
    """In plain words, so that they can be searched for; what differs is in the fields."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        if ast.unparse(node.func.value) not in LOGGERS or node.func.attr in ("addFilter", "setLevel"):
            continue
        event = node.args[node.func.attr == "log"]
        phrase = event.value if isinstance(event, ast.Constant) else None
        assert isinstance(phrase, str) and LOG_EVENT.fullmatch(phrase), ast.unparse(node)


def test_no_cycles_between_modules() -> None:
    """Importing each module alone works, in whatever order."""
    for package in BELOW:
        for found in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            if "migrations" not in found.name:
                importlib.import_module(found.name)


ERRORS = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.PacsError)]


@pytest.mark.parametrize("error", ERRORS, ids=lambda cls: cls.__name__)
def test_an_error_says_what_the_wire_says(error: type[errors.PacsError]) -> None:
    assert error.__doc__ and str(error()) == error.__doc__
    assert 0x0100 <= error.dimse_status <= 0xFFFF
    assert 400 <= error.http_status <= 599
    assert error.code.replace("_", "").isupper()


def test_only_the_translators_read_the_wire_codes() -> None:
    allowed = {"pacs/errors.py", "pacs/http/problems.py", "dimse/status.py", "dicomweb/store/report.py"}
    readers = {
        where(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("dimse_status", "http_status")
    }
    assert readers <= allowed
