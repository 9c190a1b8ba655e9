from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pacs.errors import Damaged, StorageFull, Unavailable
from storage.blobs import LocalBlobs, SpoolLimits
from storage.blobs.address import key
from storage.blobs.reading import PIECE
from tests.storage.blobs.worlds import blob_of, content_of, damage, publish

CONTENT = b"one slice" * 1000
BLOB = blob_of(CONTENT)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalBlobs]:
    opened = LocalBlobs(tmp_path, SpoolLimits(reserve=0))
    yield opened
    opened.close()


def test_a_blob_lies_where_its_address_says(local: LocalBlobs, tmp_path: Path) -> None:
    publish(local, CONTENT)
    path = tmp_path / key(BLOB.address)
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o037 == 0


def test_bytes_sent_again_heal_a_flipped_one(local: LocalBlobs) -> None:
    publish(local, CONTENT)
    damage(local, BLOB, b"X" + CONTENT[1:])
    publish(local, CONTENT)
    assert content_of(local, BLOB) == CONTENT


def test_of_what_is_damaged_at_its_end_not_even_the_beginning_is_handed_out(local: LocalBlobs) -> None:
    content = bytes(2 * PIECE)
    blob = publish(local, content)
    damage(local, blob, content[:-1] + b"X")
    with local.open(blob.address) as reader, pytest.raises(Damaged):
        next(iter(reader.verified()))


def test_a_folder_that_somebody_removed_is_made_again(local: LocalBlobs, tmp_path: Path) -> None:
    publish(local, CONTENT)
    local.delete([BLOB.address])
    (tmp_path / key(BLOB.address)).parent.rmdir()
    publish(local, CONTENT)
    assert content_of(local, BLOB) == CONTENT


def test_a_filesystem_without_links_gets_a_copy(local: LocalBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    publish(local, CONTENT)
    assert content_of(local, BLOB) == CONTENT
    assert [path for path in local.spool_root.rglob("*") if path.is_file()] == []


def test_a_copy_that_does_not_fit_leaves_no_half(local: LocalBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(code: int) -> Callable[..., None]:
        def refused(*_: object) -> None:
            raise OSError(code, "refused")

        return refused

    publish(local, CONTENT)  # the folders are there
    monkeypatch.setattr(os, "link", refuse(errno.EPERM))
    monkeypatch.setattr("storage.blobs.local.shutil.copyfileobj", refuse(errno.ENOSPC))
    with pytest.raises(StorageFull):
        publish(local, CONTENT + b"another")
    assert [path for path in local.spool_root.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(("fault", "error"), [(errno.ENOSPC, StorageFull), (errno.EIO, Unavailable)])
def test_what_cannot_be_published_is_said(
    local: LocalBlobs, monkeypatch: pytest.MonkeyPatch, fault: int, error: type[Exception]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(fault, "refused")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(error):
        publish(local, CONTENT)
    assert local.missing([BLOB]) == [BLOB]


def test_stray_files_are_no_blobs(local: LocalBlobs, tmp_path: Path) -> None:
    publish(local, CONTENT)
    (tmp_path / key(BLOB.address)).with_name("notes.txt").write_text("mine")
    assert [found.blob for found in local.walk("", 10)] == [BLOB]


@pytest.fixture
def folder(local: LocalBlobs, tmp_path: Path) -> Path:
    """A folder where a blob should lie, as a faulty repair of the filesystem leaves it."""
    publish(local, CONTENT)
    path = tmp_path / key(BLOB.address)
    path.unlink()
    path.mkdir()
    (path / "found").write_text("somebody's")
    return path


def test_a_folder_in_a_blobs_place_is_damage(local: LocalBlobs, folder: Path) -> None:
    assert local.missing([BLOB]) == [BLOB]
    assert not local.holds(BLOB)
    with pytest.raises(Damaged):
        local.open(BLOB.address)
    assert local.walk("", 10) == []


def test_a_folder_in_a_blobs_place_is_moved_aside(local: LocalBlobs, folder: Path) -> None:
    publish(local, CONTENT)
    assert content_of(local, BLOB) == CONTENT
    (aside,) = folder.parent.glob(f"{folder.name}.*")
    assert (aside / "found").read_text() == "somebody's"
    assert [found.blob for found in local.walk("", 10)] == [BLOB]


def test_a_folder_in_a_blobs_place_stops_no_sweep(local: LocalBlobs, folder: Path) -> None:
    other = publish(local, b"another")
    local.delete([BLOB.address, other.address])
    assert local.missing([other]) == [other]
    assert folder.is_dir()
