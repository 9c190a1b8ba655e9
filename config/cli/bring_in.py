"""`pacs import`: stores files, folders and archives."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from config.cli.options import data_option, installation, organization_id, progress_bar

_OUTCOMES = {
    "created": "new",
    "duplicate": "already in the archive",
    "version": "kept as another version of a known instance",
    "known": "imported before",
    "skipped": "not DICOM instances, skipped",
    "packed": "compressed files, or archives within archives, skipped: unpack them first",
    "failed": "failed",
}
_SHOWN_FAILURES = 50


@click.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@data_option
@click.option("--again", is_flag=True, help="Store files again that an earlier import has stored.")
@click.option("--organization", "code", default="default", show_default=True, help="Owner of the objects.")
def bring_in(paths: tuple[Path, ...], data_dir: Path | None, again: bool, code: str) -> None:
    """Store files, folders, ZIP and tar archives.

    Also while the server runs. An interrupted import continues where it was. Exit code 1 when a file
    failed.
    """
    from config.import_journal import Journal, index_of
    from config.importing import Expected, Importer, Item, Tally, items
    from pacs.actor import system_actor

    with installation(data_dir, may_begin=True) as composed, progress_bar("importing") as bar:
        owner = organization_id(composed, code)
        expected = Expected.below(paths)
        task = bar.add_task("", total=expected.total)

        def progress(item: Item, outcome: str) -> None:
            expected.seen(item)
            bar.update(task, advance=1, total=expected.total)

        index = index_of(composed.database, owner)
        with closing(Journal(composed.settings.data_dir / "run", owner, index)) as journal:
            importer = Importer(composed.archive, system_actor("import", owner), journal, again)
            tally: Tally = importer.run(items(paths), progress)
    for name, reason in tally.failures[:_SHOWN_FAILURES]:
        click.echo(f"{name}: {reason}", err=True)
    if (further := len(tally.failures) - _SHOWN_FAILURES) > 0:
        click.echo(f"… and {further} more.", err=True)
    for outcome, words in _OUTCOMES.items():
        if tally.counts[outcome]:
            click.echo(f"{tally.counts[outcome]:>8}  {words}")
    if tally.counts["failed"]:
        raise click.ClickException(
            "Some files were not stored; the others are safe. Mend them and run the same command again."
        )
