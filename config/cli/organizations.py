"""`pacs organization`: the owners of users, peers and objects. None sees another's."""

from __future__ import annotations

from pathlib import Path

import click

from config.cli.options import CODE, data_option, installation
from pacs.actor import system_actor


def _code(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not CODE.fullmatch(value):
        raise click.BadParameter("a code is up to 32 lower-case letters, digits and hyphens", ctx, param)
    return value


@click.group()
def organization() -> None:
    """Organisations: each sees its own objects only."""


@organization.command()
@click.argument("code", callback=_code)
@data_option
@click.option("--name", help="Display name; the code if absent.")
def add(code: str, data_dir: Path | None, name: str | None) -> None:
    """Add the organisation CODE, for `pacs ae add … --organization CODE`."""
    from storage.accounts import organizations

    with installation(data_dir, may_begin=True) as composed:
        organizations.add(composed.database, system_actor("pacs organization"), code, name or code)
    click.echo(f"{code} is added.")


@organization.command("list")
@data_option
def list_(data_dir: Path | None) -> None:
    """Show the organisations."""
    from storage.accounts import organizations

    with installation(data_dir) as composed:
        for each in organizations.all_of(composed.database):
            click.echo(f"{each.code:<32}  {each.name}")
