"""`pacs verify` and `pacs reindex`: the objects against the index, and the index from the objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.cli.options import data_option, installation, progress_bar
from pacs.actor import system_actor
from pacs.errors import PacsError, Unavailable

if TYPE_CHECKING:
    from config.compose import Installation

_NAMED = 20  # instances named with each damaged blob
_PAGE = 10_000


@click.command()
@data_option
def verify(data_dir: Path | None) -> None:
    """Read every object again and compare.

    Objects are held against the index, the index against them, and its counts are counted again.
    The server may go on running. Exit code 1 on damage.
    """
    from storage.upkeep.verify import Finding, Progress, Verification

    findings: list[Finding] = []
    seen = Progress(0, 0, 0)
    with installation(data_dir) as composed, progress_bar("verifying") as bar:
        task = bar.add_task("", total=None)

        def progress(now: Progress) -> None:
            nonlocal seen
            seen = now
            bar.update(task, completed=now.blobs, total=now.of)

        for finding in Verification(composed.database, composed.blobs, progress=progress).run():
            findings.append(finding)
    for finding in findings:
        click.echo(f"{finding.kind.value}: {finding.subject} {finding.detail}".rstrip())
        for each in finding.affected[:_NAMED]:
            click.echo(f"    instance {each.sop_instance_uid}")
    click.echo(f"{seen.blobs} objects, {seen.bytes} bytes read.")
    if damage := sum(finding.kind.is_damage for finding in findings):
        raise click.ClickException(
            f"{damage} damaged. Bring the objects named back from a backup or from their sender: one that is "
            "imported or sent again is whole again."
        )
    click.echo("No damage.")


@click.command()
@data_option
def reindex(data_dir: Path | None) -> None:
    """Enter objects that the index does not know, and make anew what it derives from their values.

    Such as all of them after the database was lost. They come in through the same door as from a
    sender, oldest first, into the default organisation. Run it once after an update whose change log
    says so: searches then find by the newest rules.
    """
    from storage.upkeep.rekey import rekey

    def enter(composed: Installation, address: str) -> bool:
        try:
            with composed.blobs.open(address) as reader:
                composed.archive.store_file(system_actor("reindex"), reader.chunks())
        except Unavailable:
            raise
        except PacsError as error:
            click.echo(f"{address}: {error}", err=True)
            return False
        return True

    with installation(data_dir) as composed, progress_bar("indexing") as bar:
        waiting = sorted(_unknown(composed))
        entered = [enter(composed, address) for _, address in bar.track(waiting)]
        changed = rekey(composed.database)
    click.echo(f"{sum(entered)} objects entered, {changed} rows brought up to date.")
    if not all(entered):
        raise click.ClickException("Some objects could not be entered; they stay where they are.")


def _unknown(composed: Installation) -> Iterator[tuple[float, str]]:
    """When it was published, and the address, of each blob without a row."""
    from storage.upkeep.sweep import unknown_blobs

    after = ""
    while found := composed.blobs.walk(after, _PAGE):
        unknown = {blob.address for blob in unknown_blobs(composed.database, [each.blob for each in found])}
        yield from ((f.modified.timestamp(), f.blob.address) for f in found if f.blob.address in unknown)
        after = found[-1].blob.address
