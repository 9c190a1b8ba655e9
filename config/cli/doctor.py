"""`pacs doctor`: checks everything that a server needs, and says what to do."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.cli.options import data_option, missing_database, settings_for
from config.faults import described
from config.serving import ports_held
from config.settings import Settings
from config.sockets import CannotListen, listen
from config.sources import BadSettings
from pacs.errors import DatabaseUnavailable, PacsError, StorageFull, WrongStore

if TYPE_CHECKING:
    from storage.blobs import BlobStore

_FILES_AN_ASSOCIATION = 6
_FILES_A_CONNECTION = 2
_CLOCK_SLACK = 5.0  # seconds


@dataclass(frozen=True)
class Finding:
    good: bool
    about: str
    advice: str = ""


Examination = Callable[[Settings], Iterator[Finding]]


def _reason(error: Exception) -> str:
    """The original error's message, which names hosts, databases and users but no password."""
    beneath: BaseException = error
    while beneath.__cause__ is not None:
        beneath = beneath.__cause__
    return "" if beneath is error else f"({str(beneath).strip().partition(chr(10))[0]})"


def _data_folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    about = f"data folder {folder}" + ("" if writable else " cannot be written")
    yield Finding(writable, about, "let this user write there, or set PACS_DATA_DIR")
    if writable:
        free = shutil.disk_usage(folder).free
        enough = free > settings.free_space_reserve
        yield Finding(enough, f"{free >> 20} MiB of disk free", "free some space: nothing more is stored")


def _ports(settings: Settings) -> Iterator[Finding]:
    wanted = (
        ("PACS_HTTP", settings.http),
        ("PACS_DIMSE", settings.dimse),
        ("PACS_DIMSE_TLS", settings.dimse_tls),
    )
    for setting, address in wanted:
        if address is None:
            continue
        try:
            listen(address, setting).close()
            yield Finding(True, f"{address} is free for {setting}")
        except CannotListen as error:
            if error.in_use and address.port in ports_held(settings.data_dir):
                yield Finding(True, f"{address} is held by this archive's server ({setting})")
            else:
                whose = ", held by another program" if error.in_use else ""
                yield Finding(False, error.fault + whose, error.advice)


def _certificate(settings: Settings) -> Iterator[Finding]:
    from config import tls

    try:
        if tls.accepting(settings) or tls.calling(settings):
            yield Finding(True, "certificates for TLS")
    except BadSettings as error:
        for fault in error.faults:
            yield Finding(False, fault, "name PEM files that this user may read, and that certificate's key")


def _database(settings: Settings) -> Iterator[Finding]:
    from storage import migrations

    url = settings.resolved_database_url
    kind = url.split(":")[0].split("+")[0]
    if kind == "sqlite" and not (file := Path(url.removeprefix("sqlite:///"))).exists():
        possible = file.parent.is_dir() or file.parent == settings.data_dir
        told = "`pacs serve` makes it" if possible else f"there is no folder {file.parent}"
        yield Finding(possible, f"database: none yet; {told}", "make the folder, or change PACS_DATABASE_URL")
        return
    try:
        at = migrations.current(url)
    except OSError as error:
        told = f"database ({kind}): {described(error)}"
        yield Finding(False, told, "let this user read and write it, or change PACS_DATABASE_URL")
        return
    except PacsError as error:
        told = f"database ({kind}): {error} {_reason(error)}".rstrip()
        full = isinstance(error, StorageFull)
        advice = "free some space" if full else "look at PACS_DATABASE_URL and the database's own log"
        yield Finding(False, told, advice)
        return
    known = migrations.knows(at)
    advice = "run `pacs db upgrade`" if known else "a newer version made it: install that one"
    yield Finding(at == migrations.newest(), f"database ({kind}) at schema {at}", advice)
    if kind == "postgresql":
        yield _clock(url)


def _clock(url: str) -> Finding:
    from storage import clock
    from storage.database import Database

    database = Database(url)
    try:
        apart = abs((clock.read(database) - datetime.now(UTC)).total_seconds())
    finally:
        database.close()
    return Finding(
        apart < _CLOCK_SLACK, f"clock {apart:.1f} s from the database's", "set this machine's clock (NTP)"
    )


def _objects(settings: Settings) -> Iterator[Finding]:
    from config.compose import open_blobs, store_is_ready

    where = settings.blobs_url or settings.data_dir
    try:
        with contextlib.closing(open_blobs(settings, None)) as blobs:
            _recognised(settings, blobs)
            store_is_ready(blobs)
    except StorageFull:
        yield Finding(False, f"objects in {where}: no space", "free some space")
    except WrongStore:
        told = f"none of the objects that the database knows lies in {where}"
        advice = "mount its disk or share, or look at PACS_BLOBS_URL; lost for good: `pacs reindex --lost`"
        yield Finding(False, told, advice)
    except (PacsError, OSError) as error:
        told = f"objects in {where}: {error} {_reason(error)}".rstrip()
        yield Finding(False, told, "look at PACS_BLOBS_URL and the PACS_S3 settings")
    else:
        yield Finding(True, f"objects in {where}")


def _recognised(settings: Settings, blobs: BlobStore) -> None:
    from storage.database import Database
    from storage.upkeep.recognition import recognise

    if missing_database(settings):
        return
    with (
        contextlib.suppress(DatabaseUnavailable, OSError),  # reported already
        contextlib.closing(Database(settings.resolved_database_url)) as database,
    ):
        recognise(database, blobs)


def _open_files(settings: Settings) -> Iterator[Finding]:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = max(
        settings.max_associations * _FILES_AN_ASSOCIATION, settings.max_connections * _FILES_A_CONNECTION
    )
    advice = f"`ulimit -Hn {needed}` before `pacs serve`, or lower PACS_MAX_ASSOCIATIONS and _CONNECTIONS"
    yield Finding(most >= needed, f"{most} open files allowed, {needed} wanted", advice)


EXAMINATIONS: tuple[Examination, ...] = (
    _data_folder,
    _ports,
    _certificate,
    _database,
    _objects,
    _open_files,
)


@click.command()
@data_option
def doctor(data_dir: Path | None) -> None:
    """Check everything that a server needs.

    Settings, folder, disk, ports, database, objects and clock. Exit code 1 on a fault.
    """
    settings = settings_for(data_dir)
    click.echo("ok    settings")
    faults = 0
    for examine in EXAMINATIONS:
        for finding in examine(settings):
            click.echo(f"{'ok   ' if finding.good else 'FAULT'} {finding.about}")
            if not finding.good:
                faults += 1
                click.echo(f"      → {finding.advice}")
    if faults:
        raise click.ClickException("Something needs your attention; see the arrows above.")
