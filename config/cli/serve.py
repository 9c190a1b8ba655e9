"""`pacs serve`: start the archive."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from config.cli.options import data_option, settings_for


@click.command()
@data_option
@click.option("--http", metavar="HOST:PORT", help="Where HTTP listens [PACS_HTTP, else 127.0.0.1:8080].")
@click.option("--dimse", metavar="HOST:PORT", help="Where DICOM listens [PACS_DIMSE, else 127.0.0.1:11112].")
@click.option("--ae-title", metavar="AE", help="This archive's AE title [PACS_AE_TITLE, else PACS].")
@click.option("--open", "open_", is_flag=True, help="No authentication; refused unless all is on loopback.")
@click.option("--only", type=click.Choice(["dimse", "http", "jobs"]), help="Only processes of this kind.")
def serve(
    data_dir: Path | None,
    http: str | None,
    dimse: str | None,
    ae_title: str | None,
    open_: bool,
    only: str | None,
) -> None:
    """Start the archive.

    It serves until Ctrl-C or SIGTERM. Running work is finished first; a second signal ends it at once.
    """
    settings = settings_for(data_dir, http=http, dimse=dimse, ae_title=ae_title, open=open_ or None)
    from config import node

    sys.exit(node.run(settings, only))
