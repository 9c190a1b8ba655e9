"""Shared by most commands: the option of the data folder, and the installation in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from config.settings import Settings
from config.sources import load

if TYPE_CHECKING:
    from rich.progress import Progress

    from config.compose import Installation

CODE = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
"""The code of an organisation."""

data_option: Callable[[Any], Any] = click.option(
    "--data",
    "data_dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Data folder [PACS_DATA_DIR, else ./data].",
)


def settings_for(data_dir: Path | None, **flags: Any) -> Settings:
    return load({"data_dir": data_dir, **flags})[0]


def organization_id(composed: Installation, code: str) -> int:
    """`NotFound` says how to add it, or how to list all if no organisation can have that code."""
    from pacs.errors import NotFound
    from storage.accounts import organizations

    found = organizations.find(composed.database, code)
    if found is not None:
        return found.id
    possible = CODE.fullmatch(code)
    hint = f"`pacs organization add {code}` adds it" if possible else "`pacs organization list` shows all"
    raise NotFound(f"there is no organisation {code}; {hint}")


def progress_bar(words: str) -> Progress:
    """On standard error, when that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(words), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def missing_database(settings: Settings) -> Path | None:
    """The SQLite file that is not there yet; checking must not create it."""
    kind, _, path = settings.resolved_database_url.partition(":///")
    return None if kind != "sqlite" or Path(path).exists() else Path(path)


@contextmanager
def installation(
    data_dir: Path | None, *, may_begin: bool = False, anywhere: bool = False
) -> Iterator[Installation]:
    """The archive of these settings, with its schema upgraded; may be used beside a running server.

    `may_begin`: create it if there is none yet. Otherwise that is an error, as the folder is probably wrong.
    `anywhere`: as for `compose`.
    """
    from config import logging
    from config.compose import compose, prepare

    settings = settings_for(data_dir)
    logging.configure("warning", settings.log_format)
    if missing := missing_database(settings):
        if not may_begin:
            raise click.ClickException(
                f"There is no archive here, as there is no {missing}: `pacs serve` begins one. "
                "If it is elsewhere, name its folder with --data or PACS_DATA_DIR."
            )
        click.echo(f"A new archive begins in {settings.data_dir}.", err=True)
    prepare(settings)
    with compose(settings, anywhere=anywhere) as composed:
        yield composed
