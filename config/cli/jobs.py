"""`pacs jobs`: background jobs, failed and scheduled ones."""

from __future__ import annotations

from pathlib import Path

import click

from config.cli.options import data_option, installation


@click.group()
def jobs() -> None:
    """Background jobs: list and retry failed ones, list scheduled ones."""


@jobs.command("list")
@data_option
def list_(data_dir: Path | None) -> None:
    """Show how many jobs wait and run, and each failed one."""
    from storage import figures, organizations

    with installation(data_dir) as composed:
        counts = figures.jobs_by_state(composed.database)
        failed = [
            (each.code, row)
            for each in organizations.all_of(composed.database)
            for row in composed.queue.failed(each.id)
        ]
    click.echo(", ".join(f"{int(count)} {state}" for state, count in counts.items()))
    for code, row in failed:
        click.echo(f"{row['pk']:>8}  {row['kind']:<20}  {code}  {row['attempt']} tries  {row['last_error']}")
    if failed:
        click.echo("`pacs jobs retry NUMBER` retries one.")


@jobs.command("list-schedules")
@data_option
def list_schedules(data_dir: Path | None) -> None:
    """Show the scheduled jobs and the times of their next runs."""
    from config.children import SWEEP_EVERY
    from storage.jobs import rounds

    with installation(data_dir) as composed:
        turns, every = rounds.turns(composed.database), composed.settings.audit_verify_every
    for turn in turns:
        when = "now" if turn.state == "running" else f"{turn.run_at:%Y-%m-%d %H:%M:%S} UTC"
        click.echo(f"{turn.kind:<20}  every {every:g} s  {turn.organization}  next {when}")
    click.echo(f"{'sweep':<20}  every {SWEEP_EVERY:g} s  on each node: unreferenced blobs, old history")


@jobs.command()
@click.argument("number", type=int)
@data_option
def retry(number: int, data_dir: Path | None) -> None:
    """Retry the failed job NUMBER."""
    with installation(data_dir) as composed:
        if not composed.queue.revive(number):
            raise click.ClickException(f"No failed job {number}; `pacs jobs list` shows them.")
    click.echo(f"Job {number} is queued again.")
