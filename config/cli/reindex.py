"""`pacs reindex`: rebuilds the index from the stored objects. Damaged objects are not entered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.cli.options import data_option, installation, progress_bar
from pacs.actor import system_actor
from pacs.errors import BadInput, PacsError, Unavailable
from pacs.packed import HEAD, is_instance

if TYPE_CHECKING:
    from config.compose import Installation

_PAGE = 10_000
_ENTERED, _OTHER, _FAILED = "entered", "other", "failed"


@click.command()
@data_option
def reindex(data_dir: Path | None) -> None:
    """Index stored objects that are not in the database, and recompute derived keys and tallies.

    After a loss of the database, that is all of them. They are stored the same way as from a sender, the
    oldest first, in the default organisation. Run it once after an update whose change log says so, so
    that searches use the newest rules. Exit code 1 when an object could not be indexed.
    """
    from storage.upkeep.rekey import rekey
    from storage.upkeep.tallies import retally

    with installation(data_dir) as composed, progress_bar("indexing") as bar:
        waiting = sorted(_unknown(composed))
        done = Counter(_outcome(composed, address) for _, address in bar.track(waiting))
        changed = rekey(composed.database) + retally(composed.database)
    click.echo(f"{done[_ENTERED]} objects entered, {changed} rows brought up to date.")
    if done[_OTHER]:
        click.echo(
            f"{done[_OTHER]} files among them are no DICOM objects, such as uploaded pictures, documents and "
            "archives: left where they are."
        )
    if done[_FAILED]:
        raise click.ClickException(f"{done[_FAILED]} objects could not be entered; they stay where they are.")


def _unknown(composed: Installation) -> Iterator[tuple[float, str]]:
    """Time of publication and address of each blob without a row."""
    from storage.upkeep.sweep import unknown_blobs

    after = ""
    while found := composed.blobs.walk(after, _PAGE):
        unknown = {blob.address for blob in unknown_blobs(composed.database, [each.blob for each in found])}
        yield from ((f.modified.timestamp(), f.blob.address) for f in found if f.blob.address in unknown)
        after = found[-1].blob.address


def _outcome(composed: Installation, address: str) -> str:
    try:
        return _enter(composed, address)
    except Unavailable:
        raise
    except PacsError as error:
        click.echo(f"{address}: {error}", err=True)
        return _FAILED


def _enter(composed: Installation, address: str) -> str:
    with composed.blobs.open(address) as reader:
        try:
            composed.archive.store_file(system_actor("reindex"), reader.verified())
        except BadInput:
            for _ in reader.verified():  # it may have been refused because the disk damaged it
                pass
            if is_instance(reader.read_at(0, HEAD), composed.archive.limits):
                raise
            return _OTHER
    return _ENTERED
