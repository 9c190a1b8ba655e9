"""`pacs db`: the database's schema."""

from __future__ import annotations

from pathlib import Path

import click

from config.cli.options import data_option, missing_database, settings_for


@click.group()
def db() -> None:
    """The database's schema. `pacs serve` upgrades it automatically."""


@db.command()
@data_option
@click.option("--revision", default="head", show_default=True, help="Stop at this revision.")
def upgrade(data_dir: Path | None, revision: str) -> None:
    """Upgrade the schema. Safe while other nodes start."""
    from storage import migrations

    settings = settings_for(data_dir)
    settings.data_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
    migrations.upgrade(settings.resolved_database_url, revision)
    click.echo(f"The schema is at {migrations.current(settings.resolved_database_url)}.")


@db.command()
@data_option
def current(data_dir: Path | None) -> None:
    """Print the schema's revision.

    Exit code 1 when it is not the newest.
    """
    from storage import migrations

    settings = settings_for(data_dir)
    at = None if missing_database(settings) else migrations.current(settings.resolved_database_url)
    click.echo(f"at {at or 'nothing yet'}, newest {migrations.newest()}")
    if not migrations.knows(at):
        raise click.ClickException("A newer version of Lightbox PACS made this schema: install that version.")
    if at != migrations.newest():
        raise click.ClickException("The schema is not the newest: run `pacs db upgrade`.")


@db.command()
@data_option
@click.option("--revision", required=True, help="The revision to go back to, as in `pacs db current`.")
@click.confirmation_option(prompt="Going back can drop columns and their data. Is there a backup?")
def downgrade(data_dir: Path | None, revision: str) -> None:
    """Downgrade the schema to an older revision."""
    from storage import migrations

    settings = settings_for(data_dir)
    migrations.downgrade(settings.resolved_database_url, revision)
    click.echo(f"The schema is at {migrations.current(settings.resolved_database_url) or 'nothing'}.")
