"""`pacs health`: checks the running server, for container health checks and supervisors."""

from __future__ import annotations

import json
import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path

import click

from config.address import Address
from config.cli.options import data_option, settings_for
from config.settings import Settings

PATIENCE = 4.0
"""Seconds: checks of readiness take up to 1.5."""
_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@click.command()
@data_option
@click.option("--http", metavar="HOST:PORT", help="Where its HTTP listens [PACS_HTTP, else 127.0.0.1:8080].")
@click.option("--ready", is_flag=True, help="Check whether it can store and return objects now.")
def health(data_dir: Path | None, http: str | None, ready: bool) -> None:
    """Check the running server.

    Whether it answers, by HTTP or HTTPS according to the settings. Exit code 1 if not.
    """
    settings = settings_for(data_dir, http=http)
    try:
        status, body = _asked(settings, "/health/ready" if ready else "/health/live")
    except (OSError, HTTPException) as error:
        raise click.ClickException(
            f"nothing answers at {settings.http} ({error or type(error).__name__}): start `pacs serve`, "
            "or say with --http where it listens."
        ) from None
    if status != 200:
        raise click.ClickException(f"unwell: {_faults(body) or status}")
    click.echo("healthy")


def _asked(settings: Settings, path: str) -> tuple[int, bytes]:
    connection = _connection(settings.http, settings.http_tls)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _connection(address: Address, secured: bool) -> HTTPConnection:
    host = _HERE.get(address.host, address.host)
    if not secured:
        return HTTPConnection(host, address.port, timeout=PATIENCE)
    context = ssl.create_default_context()
    # The certificate is for its public name, not for this machine's; nothing secret is sent.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return HTTPSConnection(host, address.port, timeout=PATIENCE, context=context)


def _faults(body: bytes) -> str:
    try:
        checks = {name: each["status"] for name, each in json.loads(body)["checks"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return ", ".join(f"{name} {status}" for name, status in checks.items() if status != "ok")
