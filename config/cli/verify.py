"""`pacs verify`: the objects against the index, and the index against the objects."""

from __future__ import annotations

from pathlib import Path

import click

from config.cli.options import data_option, installation, progress_bar

_NAMED = 20  # instances named with each damaged blob


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
            f"{damage} damaged. Bring the objects named back from a backup (`pacs import --again`) or from "
            "their sender: one that is stored again is whole again."
        )
    click.echo("No damage.")
