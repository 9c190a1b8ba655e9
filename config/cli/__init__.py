"""The command line: `pacs …`. One module for each command group, loaded on demand.

Operational faults end with one message that says what to do next, and exit code 1.
"""

from __future__ import annotations

import os
from importlib import import_module

import click

import pacs
from config.faults import message
from config.sources import BadSettings
from pacs.errors import PacsError

COMMANDS = {
    "serve": "config.cli.serve:serve",
    "demo": "config.cli.demo:demo",
    "import": "config.cli.bring_in:bring_in",
    "ae": "config.cli.entities:ae",
    "organization": "config.cli.organizations:organization",
    "user": "config.cli.users:user",
    "token": "config.cli.users:token",
    "verify": "config.cli.verify:verify",
    "reindex": "config.cli.reindex:reindex",
    "audit": "config.cli.audit:audit",
    "jobs": "config.cli.jobs:jobs",
    "db": "config.cli.db:db",
    "config": "config.cli.show:config",
    "conformance": "config.cli.show:conformance",
    "openapi": "config.cli.show:openapi",
    "health": "config.cli.health:health",
    "doctor": "config.cli.doctor:doctor",
}


_INTERRUPTED = 130
"""The exit code that shells give to a program ended by Ctrl-C."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("\nInterrupted. What was done is kept; the same command can be run again.", err=True)
            ctx.exit(_INTERRUPTED)
        except BadSettings as error:
            raise click.ClickException(str(error)) from None
        except (PacsError, OSError) as error:
            raise click.ClickException(message(error)) from None


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(pacs.__version__, prog_name="Lightbox PACS")
def main() -> None:
    """Lightbox PACS: DICOM in, kept safe, found, and out again."""
    os.umask(0o027)  # what an archive keeps is for its owner and group
