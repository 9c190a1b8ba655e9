"""`pacs reindex`: rebuilds the index from the stored objects. Damaged objects are not entered.

An object's bytes do not say who owns it. It is entered in the only organisation that has its study, or in the
only one there is; otherwise in the one named on the command line, so that nobody else gets to see it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.cli.options import data_option, installation, organization_id, progress_bar
from pacs import ingest
from pacs.actor import system_actor
from pacs.dicom.part10 import HEAD, read_part10
from pacs.dicom.reader import read_header
from pacs.dicom.source import ReadAhead
from pacs.errors import BadInput, InvalidDataSet, PacsError, Unavailable
from pacs.uploaded_file import is_instance

if TYPE_CHECKING:
    from config.compose import Installation
    from pacs.archive import Archive
    from pacs.model import StoredInstance, Values
    from pacs.ports import BlobReader

_PAGE = 10_000
_ENTERED, _OTHER, _FAILED, _WHOSE = "entered", "other", "failed", "whose"


@click.command()
@data_option
@click.option("--organization", "code", help="Owner of objects of studies that no organisation has.")
@click.option("--lost", is_flag=True, help="Go on even if none of the indexed objects is there.")
def reindex(data_dir: Path | None, code: str | None, lost: bool) -> None:
    """Index stored objects that the database lacks.

    After a loss of the database, that is all of them. They are stored as if a sender had sent them, the
    oldest first, in the organisation that has their study. If none or several have it, they go to the one
    that is named, or to the only one there is. Then derived keys and tallies are computed anew, and each
    study takes its patient's name, birth date and sex from its first object: run it once after an update
    whose change log says so, so that searches use the newest rules. Exit code 1 when an object could not be
    indexed.

    If objects are indexed but none of them is there, a disk is probably not mounted: nothing is stored until
    it is, or until `--lost` says that they are lost for good.
    """
    from storage.upkeep import mark
    from storage.upkeep.recognition import recognise
    from storage.upkeep.rekey import rekey
    from storage.upkeep.tallies import retally
    from storage.upkeep.whose import ask_objects

    opened = installation(data_dir, may_begin=True, anywhere=lost)
    with opened as composed, progress_bar("indexing") as bar:
        if not lost:
            recognise(composed.database, composed.blobs)
        owners = _owners(composed, code)
        waiting = sorted(_unknown(composed))
        done = Counter(_outcome(composed, owners, address) for _, address in bar.track(waiting))
        changed = rekey(composed.database) + retally(composed.database)
        changed += ask_objects(composed.database, partial(_values, composed.archive))
        if not done[_FAILED] + done[_WHOSE]:
            mark.leave(composed.database, composed.blobs)
    click.echo(f"{done[_ENTERED]} objects entered, {changed} rows brought up to date.")
    if done[_OTHER]:
        click.echo(
            f"{done[_OTHER]} files among them are no DICOM objects, such as uploaded pictures, documents and "
            "archives; they are left where they are."
        )
    if done[_WHOSE]:
        click.echo(
            f"{done[_WHOSE]} objects are of studies that no organisation has, or several: name theirs with "
            "--organization (`pacs organization list` shows all)."
        )
    if failed := done[_FAILED] + done[_WHOSE]:
        raise click.ClickException(f"{failed} objects could not be entered; they stay where they are.")


@dataclass(frozen=True, slots=True)
class _Owners:
    """`all`: every organisation. `named`: on the command line."""

    all: frozenset[int]
    named: int | None

    def of(self, holding: frozenset[int]) -> int | None:
        """The owner of an object, from the organisations that have its study."""
        for only in (holding, self.all):
            if len(only) == 1:
                return next(iter(only))
        return self.named


def _owners(composed: Installation, code: str | None) -> _Owners:
    from storage.accounts import organizations

    everybody = frozenset(each.id for each in organizations.all_of(composed.database))
    return _Owners(everybody, None if code is None else organization_id(composed, code))


def _unknown(composed: Installation) -> Iterator[tuple[float, str]]:
    """Time of publication and address of each blob without a row."""
    from storage.upkeep.sweep import unknown_blobs

    after = ""
    while found := composed.blobs.walk(after, _PAGE):
        unknown = {blob.address for blob in unknown_blobs(composed.database, [each.blob for each in found])}
        yield from ((f.modified.timestamp(), f.blob.address) for f in found if f.blob.address in unknown)
        after = found[-1].blob.address


def _outcome(composed: Installation, owners: _Owners, address: str) -> str:
    try:
        return _enter(composed, owners, address)
    except Unavailable:
        raise
    except PacsError as error:
        click.echo(f"{address}: {error}", err=True)
        return _FAILED


def _enter(composed: Installation, owners: _Owners, address: str) -> str:
    from storage.accounts import organizations

    archive = replace(composed.archive, complete_only=False)
    with archive.blobs.open(address) as reader:
        try:
            study = _study(archive, reader)
            owner = owners.of(organizations.holding(composed.database, study))
            if owner is None:
                return _WHOSE
            archive.store_file(system_actor("reindex", owner), reader.verified())
        except BadInput:
            for _ in reader.verified():  # it may have been refused because the disk damaged it
                pass
            if is_instance(reader.read_at(0, HEAD), archive.limits):
                raise
            return _OTHER
    return _ENTERED


def _values(archive: Archive, instance: StoredInstance) -> Values | None:
    try:
        with archive.open(instance) as reader:
            return ingest.values(instance.header(reader, archive.limits))
    except Unavailable:
        raise
    except PacsError:  # `pacs verify` tells what is damaged or missing
        return None


def _study(archive: Archive, reader: BlobReader) -> str:
    part10 = read_part10(reader, archive.limits)
    if part10.is_dicomdir:
        raise InvalidDataSet
    header = read_header(ReadAhead(reader), part10.transfer_syntax, part10.dataset_offset, archive.limits)
    return ingest.identity(header).study_instance_uid
