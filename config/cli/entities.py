"""`pacs ae`: the registered DICOM peers, which may call from other machines and be C-MOVE destinations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from config.cli.options import data_option, installation, organization_id
from config.setting_types import ae_title
from pacs.access import RIGHTS
from pacs.actor import system_actor
from pacs.model import ApplicationEntity


class _Title(click.ParamType[str]):
    name = "title"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return ae_title(str(value))
        except ValueError as error:
            self.fail(f"{value!r}: an AE title {error}", param, ctx)


class _Rights(click.ParamType[frozenset[str]]):
    name = "rights"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> frozenset[str]:
        if isinstance(value, frozenset):
            return value
        given = frozenset(word.strip() for word in str(value).split(",") if word.strip())
        if unknown := sorted(given - set(RIGHTS)):
            self.fail(f"there is no right {', '.join(unknown)}; choose from {', '.join(RIGHTS)}", param, ctx)
        return given


@click.group()
def ae() -> None:
    """DICOM peers (application entities).

    Registered peers may call from other machines, and are destinations of C-MOVE.
    """


@ae.command()
@click.argument("title", type=_Title())
@data_option
@click.option("--host", help="The host that it listens on and calls from.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port that it listens on, for C-MOVE.")
@click.option(
    "--may",
    "rights",
    type=_Rights(),
    default="",
    metavar="RIGHT,…",
    help=f"Its rights: {', '.join(RIGHTS)} (mwl for a worklist, which this version does not serve). "
    "Without any, it is only a destination.",
)
@click.option("--tls", is_flag=True, help="Call it over TLS.")
@click.option("--organization", "code", default="default", show_default=True, help="Owner of the peer.")
def add(title: str, data_dir: Path | None, rights: frozenset[str], code: str, **where: Any) -> None:
    """Register the peer TITLE."""
    if (where["host"] is None) != (where["port"] is None):
        raise click.UsageError("--host and --port must be given together.")
    with installation(data_dir, may_begin=True) as composed:
        owner = organization_id(composed, code)
        entity = ApplicationEntity(title, owner, rights=rights, **where)
        composed.entities.add(system_actor("pacs ae", owner), entity)
    click.echo(f"{title} is registered; running servers know it within seconds.")


@ae.command("list")
@data_option
def list_(data_dir: Path | None) -> None:
    """Show the registered peers."""
    from storage.accounts import organizations

    with installation(data_dir) as composed:
        entities = composed.entities.all()
        codes = {each.id: each.code for each in organizations.all_of(composed.database)}
    for entity in entities:
        where = f"{entity.host}:{entity.port}{' tls' * entity.tls}" if entity.host else "-"
        rights = ",".join(sorted(entity.rights, key=RIGHTS.index)) or "-"
        click.echo(f"{entity.title:<16}  {where:<24}  {rights:<24}  {codes[entity.organization]}")
    if not entities:
        click.echo(
            "No peer is registered yet: `pacs ae add TITLE --host H --port P --may store,find`.", err=True
        )


@ae.command()
@click.argument("title", type=_Title())
@data_option
def remove(title: str, data_dir: Path | None) -> None:
    """Remove the peer TITLE."""
    with installation(data_dir) as composed:
        if not composed.entities.remove(system_actor("pacs ae"), title):
            raise click.ClickException(f"{title} is not registered; `pacs ae list` shows the peers.")
    click.echo(f"{title} is no longer registered.")
