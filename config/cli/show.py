"""`pacs config show`, `pacs conformance`, `pacs openapi`: settings and capabilities of this installation."""

from __future__ import annotations

from pathlib import Path

import click
from pydantic import SecretStr

from config.cli.options import data_option
from config.documents import shown
from config.settings import Settings, environment_name
from config.sources import load


@click.group()
def config() -> None:
    """The effective settings."""


@config.command("show")
@data_option
def show(data_dir: Path | None) -> None:
    """Print every setting, its value (secrets masked) and its source."""
    settings, origin = load({"data_dir": data_dir})
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("setting", "value", "from", box=box.SIMPLE_HEAD)
    for field in Settings.model_fields:
        value = getattr(settings, field)
        text = "********" if isinstance(value, SecretStr) else shown(field, value)
        table.add_row(environment_name(field), text, origin[field])
    console = Console()
    if not console.is_terminal:
        console.width = 160
    console.print(table)


@click.command()
@data_option
def conformance(data_dir: Path | None) -> None:
    """Print the DICOM conformance statement.

    For the settings of this installation, generated from the tables that the code uses.
    """
    from config.documents import conformance_statement

    click.echo(conformance_statement(load({"data_dir": data_dir})[0]), nl=False)


@click.command()
def openapi() -> None:
    """Print the OpenAPI document of all HTTP resources.

    The same that `/api/v1/openapi.json` serves.
    """
    from tempfile import TemporaryDirectory

    from config.compose import compose
    from config.compose_http import http_app
    from config.sources import secret_key
    from pacs.http.openapi import written

    with TemporaryDirectory() as folder:  # routes do not depend on where the data lies
        settings = Settings.model_validate({"data_dir": folder})
        secret_key(settings)
        with compose(settings) as installation:
            click.echo(written(http_app(installation, lambda: True).routes))
