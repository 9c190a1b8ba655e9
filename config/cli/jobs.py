"""`pacs jobs`: background jobs, failed and scheduled ones."""

from __future__ import annotations

from pathlib import Path

import click

from config.cli.options import data_option, installation

_SHOWN = 1000  # failed jobs of an organisation


@click.group()
def jobs() -> None:
    """Background jobs, failed and scheduled ones."""


@jobs.command("list")
@data_option
def list_(data_dir: Path | None) -> None:
    """Show how many jobs wait, run and failed.

    And the oldest failed ones of each organisation.
    """
    from pacs.jobs.job import JobState
    from storage import figures
    from storage.accounts import organizations
    from storage.jobs.listing import SqlJobs

    with installation(data_dir) as composed:
        counts = figures.jobs_by_state(composed.database)
        jobs = SqlJobs(composed.database)
        failed = [
            (each.code, job)
            for each in organizations.all_of(composed.database)
            for job in jobs.page(each.id, JobState.FAILED, _SHOWN, 0)[0]
        ]
    click.echo(", ".join(f"{int(count)} {state}" for state, count in counts.items()))
    for code, job in failed:
        click.echo(f"{job.id:>8}  {job.kind:<20}  {code}  {job.attempt} tries  {job.last_error}")
    if failed:
        click.echo("`pacs jobs retry NUMBER` retries one.")


@jobs.command("list-schedules")
@data_option
def list_schedules(data_dir: Path | None) -> None:
    """Show the scheduled jobs and the times of their next runs."""
    from config.children import SWEEP_EVERY, TIDY_EVERY
    from storage.jobs import scheduled

    with installation(data_dir) as composed:
        runs, every = scheduled.next_runs(composed.database), composed.settings.audit_verify_every
    for run in runs:
        when = "now" if run.state == "running" else f"{run.run_at:%Y-%m-%d %H:%M:%S} UTC"
        click.echo(f"{run.kind:<20}  every {every:g} s  {run.organization}  next {when}")
    days = f"{composed.settings.retention_days:g} days"
    click.echo(f"{'deletion.purge':<20}  {days} after a deletion: its bytes")
    click.echo(f"{'sweep':<20}  every {SWEEP_EVERY:g} s  on each node: unreferenced blobs, old history")
    click.echo(f"{'tidy cache':<20}  every {TIDY_EVERY:g} s  on each node: old pictures, a part at a time")


@jobs.command()
@click.argument("number", type=int)
@data_option
def retry(number: int, data_dir: Path | None) -> None:
    """Retry the failed job NUMBER."""
    from pacs.actor import system_actor
    from storage.accounts import organizations
    from storage.jobs.listing import SqlJobs

    with installation(data_dir) as composed:
        jobs = SqlJobs(composed.database)
        actors = (system_actor("pacs jobs", each.id) for each in organizations.all_of(composed.database))
        if not any(jobs.retry(actor, number) for actor in actors):
            raise click.ClickException(f"No failed job {number}; `pacs jobs list` shows them.")
    click.echo(f"Job {number} is queued again.")
