"""`pacs audit`: the audit trail."""

from __future__ import annotations

from pathlib import Path

import click

from config.cli.options import data_option, installation


@click.group()
def audit() -> None:
    """The audit trail."""


@audit.command()
@data_option
def verify(data_dir: Path | None) -> None:
    """Verify the hash chain from the first record to the last. Exit code 1 when it is broken."""
    from storage import audit as trail
    from storage.accounts import organizations

    with installation(data_dir) as composed:
        broken = {
            each.code: number
            for each in organizations.all_of(composed.database)
            if (number := trail.verify(composed.database, each.id)) is not None
        }
    for code, number in broken.items():
        click.echo(f"organisation {code}: record {number} is missing or was altered")
    if broken:
        raise click.ClickException(
            "The audit trail was tampered with. Keep the database as it is and compare with a backup."
        )
    click.echo("The audit trail is intact.")
