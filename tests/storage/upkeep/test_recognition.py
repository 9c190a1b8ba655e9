"""A store whose disk is not mounted is an empty folder: nothing may be stored there, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from pacs.errors import Damaged, Unavailable, WrongStore
from pacs.model import Blob
from storage.blobs import BlobStore, LocalBlobs, S3Access, SpoolLimits, open_blobs
from storage.blobs.address import key
from storage.database import Database
from storage.upkeep import mark
from storage.upkeep.recognition import recognise
from storage.upkeep.reconcile import reconcile
from tests.storage.blobs.worlds import blob_of, content_of, publish
from tests.storage.shelf import Shelf, shelf_of

NO_RESERVE = SpoolLimits(reserve=0)


class Disk:
    """A folder that is a mount point: what lies in it is there only while it is mounted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._away = folder.with_name("unmounted")
        folder.mkdir()

    def unmount(self) -> None:
        self.folder.rename(self._away)
        self.folder.mkdir()

    def mount(self) -> None:
        """What lies in the folder below is hidden from now on."""
        self.folder.rename(self.folder.with_name("below"))
        self._away.rename(self.folder)

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "mounted")


def opened(database: Database, disk: Disk) -> BlobStore:
    """The store of one process."""
    return open_blobs(
        f"file://{disk.folder}", disk.folder, limits=NO_RESERVE, admit=partial(recognise, database)
    )


@pytest.fixture
def shelf(database: Database, disk: Disk) -> Iterator[Shelf]:
    blobs = opened(database, disk)
    with shelf_of(database, blobs) as made:
        yield made
    blobs.close()


@pytest.fixture(params=["never swept", "swept"])
def kept(shelf: Shelf, request: pytest.FixtureRequest) -> Blob:
    """An object that is stored; a sweep has left its mark, or not yet."""
    blob = shelf.store(b"kept").blob
    if request.param == "swept":
        mark.leave(shelf.database, shelf.blobs)
    return blob


@pytest.fixture
def restarted(shelf: Shelf, kept: Blob, disk: Disk) -> Iterator[Shelf]:
    """A process that began while the disk was not mounted."""
    shelf.blobs.close()
    disk.unmount()
    blobs = opened(shelf.database, disk)
    yield replace(shelf, blobs=blobs)
    blobs.close()


def test_nothing_is_stored_below_a_mount_point(restarted: Shelf, disk: Disk) -> None:
    with pytest.raises(WrongStore):
        restarted.blobs.spool()
    assert list(disk.folder.iterdir()) == []


def test_what_is_stored_elsewhere_is_not_called_damaged(restarted: Shelf, kept: Blob) -> None:
    with pytest.raises(WrongStore):
        restarted.blobs.open(kept.address)


def test_a_folder_below_a_mount_point_is_not_swept(restarted: Shelf, kept: Blob, disk: Disk) -> None:
    claimed = blob_of(b"claimed")
    restarted.run(
        "INSERT INTO blobs (address, size, refcount, state, unreferenced_since)"
        " VALUES (:address, 7, 0, 'deleting', 0)",
        address=claimed.address,
    )
    with pytest.raises(WrongStore):
        restarted.sweep().run()
    with pytest.raises(WrongStore):
        reconcile(restarted.database, restarted.blobs)
    assert restarted.states() == {kept.address: "live", claimed.address: "deleting"}
    assert list(disk.folder.iterdir()) == []


def test_all_is_well_once_the_disk_is_mounted(restarted: Shelf, kept: Blob, disk: Disk) -> None:
    with pytest.raises(WrongStore):
        restarted.blobs.spool()
    disk.mount()
    assert content_of(restarted.blobs, kept) == b"kept"
    more = restarted.store(b"more", instance=2)
    assert content_of(restarted.blobs, more.blob) == b"more"
    assert reconcile(restarted.database, restarted.blobs).damage == ()


def test_a_disk_that_vanishes_takes_nothing_along(shelf: Shelf, kept: Blob, disk: Disk) -> None:
    began_before = opened(shelf.database, disk)  # and has stored nothing yet
    with shelf.blobs.spool() as on_its_way:
        on_its_way.write(b"on its way")
        disk.unmount()
        with pytest.raises(Unavailable):
            shelf.blobs.publish(on_its_way)
    for blobs in (shelf.blobs, began_before):
        with pytest.raises(Unavailable):
            blobs.spool()
        with pytest.raises(WrongStore):
            blobs.open(kept.address)
    assert list(disk.folder.iterdir()) == []
    disk.mount()
    for number, blobs in enumerate((shelf.blobs, began_before), 2):
        assert content_of(blobs, kept) == b"kept"
        replace(shelf, blobs=blobs).store(b"more", instance=number)
    began_before.close()


def test_one_that_is_missing_among_others_is_damage(shelf: Shelf, disk: Disk) -> None:
    gone, *_ = [shelf.store(b"%d" % number, instance=number).blob for number in range(1, 4)]
    (disk.folder / key(gone.address)).unlink()
    with pytest.raises(Damaged):
        shelf.blobs.open(gone.address)
    assert len(reconcile(shelf.database, shelf.blobs).damage) == 1


def test_objects_given_up_for_lost_are_damage(restarted: Shelf, kept: Blob, disk: Disk) -> None:
    bold = open_blobs(f"file://{disk.folder}", disk.folder, limits=NO_RESERVE)
    mark.leave(restarted.database, bold)
    with pytest.raises(Damaged):
        restarted.blobs.open(kept.address)
    assert restarted.store(b"kept").blob == kept
    assert content_of(restarted.blobs, kept) == b"kept"


def test_a_new_index_takes_any_store(database: Database, disk: Disk) -> None:
    unknown = publish(LocalBlobs(disk.folder, NO_RESERVE), b"from before")
    blobs = opened(database, disk)
    assert content_of(blobs, unknown) == b"from before"
    publish(blobs, b"new")
    blobs.close()


def test_another_prefix_of_a_bucket_is_another_store(
    database: Database, s3_url: str, s3_access: S3Access, tmp_path: Path
) -> None:
    def at(url: str) -> BlobStore:
        return open_blobs(url, tmp_path, s3_access, NO_RESERVE, partial(recognise, database))

    right, wrong = at(s3_url), at(f"{s3_url}-other")
    with shelf_of(database, right) as shelf:
        kept = shelf.store(b"kept").blob
    with pytest.raises(WrongStore):
        wrong.spool()
    with pytest.raises(WrongStore):
        wrong.open(kept.address)
    publish(right, b"more")
    for each in (right, wrong):
        each.close()
