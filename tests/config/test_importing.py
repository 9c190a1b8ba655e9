"""Folders and ZIP archives with what people have in them: images, tables of contents, notes, damage."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, cast

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from config import importing
from config.import_journal import IndexState, Journal
from config.importing import Expected, Importer, Item, Tally, items
from pacs import archive as archiving
from pacs.actor import DEFAULT_ORGANIZATION, Actor, system_actor
from pacs.dicom.limits import Limits
from pacs.errors import DatabaseUnavailable, InvalidDataSet
from pacs.model import Blob, Identity, Outcome, Stored
from pacs.uploaded_file import Member, UploadedFile

CT = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
INDEX = IndexState(lambda: "1 a", lambda record: True)
DICOMDIR = Path(str(get_testdata_file("DICOMDIR"))).read_bytes()


@dataclass
class Archive:
    """Keeps what it is given, by its hash; refuses what ends early."""

    limits: Limits = field(default_factory=Limits)
    kept: set[str] = field(default_factory=set)
    down: bool = False

    def store_file(self, actor: Actor, chunks: Iterator[bytes]) -> Stored:
        if self.down:
            raise DatabaseUnavailable
        whole = b"".join(chunks)
        if len(whole) < 1000:
            raise InvalidDataSet("it ends early")
        digest = hashlib.sha256(whole).hexdigest()
        outcome = Outcome.DUPLICATE if digest in self.kept else Outcome.CREATED
        self.kept.add(digest)
        return Stored(outcome, Identity("1", "2", "3", "4"), Blob(digest, len(whole)))


@pytest.fixture
def archive() -> Archive:
    return Archive()


def importer(archive: Archive, journal: Journal, again: bool = False) -> Importer:
    return Importer(cast(archiving.Archive, archive), system_actor("import"), journal, again)


def run(archive: Archive, tmp_path: Path, *paths: Path, again: bool = False) -> Tally:
    with closing(Journal(tmp_path / "run", DEFAULT_ORGANIZATION, INDEX)) as journal:
        return importer(archive, journal, again).run(items(paths), lambda item, outcome: None)


def ct(number: int) -> bytes:
    ds = pydicom.dcmread(io.BytesIO(CT))
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{generate_uid()[:50]}.{number + 1}"
    buffer = io.BytesIO()
    ds.save_as(buffer)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images, one without preamble, a table of contents, a note, an empty file, a broken one."""
    media = tmp_path / "media"
    for name, content in {
        "A/1.dcm": ct(1),
        "A/B/IMG0002": ct(2),
        "bare": CT[132 + 12 + 192 :],
        "DICOMDIR": DICOMDIR,
        "README.txt": b"Insert the disc.",
        "empty": b"",
        "short.dcm": CT[:400],
    }.items():
        path = media / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return media


def test_a_folder(archive: Archive, folder: Path, tmp_path: Path) -> None:
    tally = run(archive, tmp_path, folder)
    assert (tally.counts["created"], tally.counts["failed"]) == (3, 1)
    assert tally.counts["skipped"] == 3
    assert tally.failures == [(str(folder / "short.dcm"), "it ends early")]


def test_a_zip_of_folders(archive: Archive, folder: Path, tmp_path: Path) -> None:
    packed = tmp_path / "export.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as writing:
        for path in sorted(folder.rglob("*")):
            writing.write(path, path.relative_to(tmp_path))
    tally = run(archive, tmp_path, packed)
    assert (tally.counts["created"], tally.counts["skipped"], tally.counts["failed"]) == (3, 3, 1)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_tar_of_folders(archive: Archive, folder: Path, tmp_path: Path, mode: Literal["w", "w:gz"]) -> None:
    packed = tmp_path / "export"
    with tarfile.open(packed, mode) as packing:
        packing.add(folder, "../media")
    tally = run(archive, tmp_path, packed, folder / "A")
    assert tally.counts == {"created": 3, "duplicate": 2, "skipped": 3, "failed": 1}
    assert tally.failures == [(f"{packed}:../media/short.dcm", "it ends early")]
    again = run(archive, tmp_path, packed)
    assert again.counts == {"known": 3, "skipped": 3, "failed": 1}


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_the_members_of_a_tar_are_estimated_rather_than_read_twice(
    archive: Archive,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: Literal["w", "w:gz"],
) -> None:
    media = tmp_path / "noise"
    media.mkdir()
    for number in range(40):
        (media / f"{number:02}").write_bytes(os.urandom(50_000))
    with tarfile.open(tmp_path / "packed", mode) as packing:
        packing.add(media)
    opened: list[UploadedFile] = []
    members = UploadedFile.members

    def noted(file: UploadedFile) -> Iterator[Member]:
        opened.append(file)
        return members(file)

    monkeypatch.setattr(UploadedFile, "members", noted)
    expected = Expected.below([folder, tmp_path / "packed"])
    assert opened == [] and expected.total >= 7
    estimates = []
    for item in items([folder, tmp_path / "packed"]):
        expected.seen(item)
        estimates.append(expected.total)
    assert len(estimates) == 47 and len(opened) == 1
    assert all(seen <= total for seen, total in enumerate(estimates, 1))
    assert all(40 <= total <= 60 for total in estimates[25:])


def test_a_tar_that_ends_early_fails_behind_what_it_has(archive: Archive, tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    for number in range(3):
        (media / f"{number}.dcm").write_bytes(ct(number))
    for mode in ("w", "w:gz"):
        with tarfile.open(tmp_path / mode, cast("Any", mode)) as packing:
            packing.add(media, "media")
        whole = (tmp_path / mode).read_bytes()
        (tmp_path / mode).write_bytes(whole[: int(len(whole) * 0.6)])
        tally = run(archive, tmp_path, tmp_path / mode)
        assert tally.counts["created"] + tally.counts["duplicate"] >= 1
        assert tally.counts["failed"] >= 1


def test_it_goes_on_where_it_was(archive: Archive, folder: Path, tmp_path: Path) -> None:
    run(archive, tmp_path, folder / "A")
    archive.kept.clear()
    tally = run(archive, tmp_path, folder)
    assert (tally.counts["known"], tally.counts["created"]) == (2, 1)
    assert run(archive, tmp_path, folder, again=True).counts["created"] == 2
    (folder / "A" / "1.dcm").write_bytes(ct(3))
    assert run(archive, tmp_path, folder).counts["created"] == 1


def test_a_database_that_is_away_stops_it(archive: Archive, folder: Path, tmp_path: Path) -> None:
    archive.down = True
    with pytest.raises(DatabaseUnavailable):
        run(archive, tmp_path, folder)


def test_a_damaged_member_does_not_stop_the_others(archive: Archive, tmp_path: Path) -> None:
    packed = tmp_path / "damaged.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as writing:
        for number in range(3):
            writing.writestr(f"{number}.dcm", ct(number))
    content = bytearray(packed.read_bytes())
    content[len(content) // 2] ^= 0xFF
    packed.write_bytes(content)
    tally = run(archive, tmp_path, packed)
    assert (tally.counts["created"], tally.counts["failed"]) == (2, 1)


def test_a_zip_that_cannot_be_listed_fails_by_itself(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "MAX_MEMBERS", 2)
    media = tmp_path / "media"
    media.mkdir()
    for name in ("damaged", "many"):
        with zipfile.ZipFile(media / f"{name}.zip", "w") as writing:
            for number in range(3):
                writing.writestr(f"{number}", b"")
    damaged = (media / "damaged.zip").read_bytes()
    (media / "damaged.zip").write_bytes(damaged.replace(b"PK\1\2", b"PK\1\7"))
    (media / "whole.dcm").write_bytes(ct(1))
    tally = run(archive, tmp_path, media)
    assert tally.counts == {"created": 1, "failed": 2}
    reasons = {Path(name).name: reason for name, reason in tally.failures}
    assert "more than 2 members" in reasons["many.zip"]
    assert "cannot be read (BadZipFile)" in reasons["damaged.zip"]


def test_an_archive_that_is_not_looked_into_is_told(archive: Archive, tmp_path: Path) -> None:
    """It may be full of images, and nobody reads of them among the notes and tables of contents."""
    media = tmp_path / "media"
    media.mkdir()
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as writing:
        writing.writestr("1.dcm", ct(1))
    with zipfile.ZipFile(media / "outer.zip", "w") as writing:
        writing.writestr("inner.zip", inner.getvalue())
    with tarfile.open(media / "images.tar.gz", "w:gz") as packing:
        packing.add(media / "outer.zip", "outer.zip")
    (media / "image.gz").write_bytes(gzip.compress(ct(1)))
    assert run(archive, tmp_path, media).counts == {"packed": 3}


def test_only_a_few_items_are_open_at_a_time(archive: Archive, tmp_path: Path) -> None:
    opened = 0

    def endless() -> Iterator[Item]:
        nonlocal opened
        for number in range(100):
            opened += 1
            yield Item(str(number), str(number), lambda: _opened())

    def _opened() -> IO[bytes]:
        return io.BytesIO(CT)

    journal = Journal(tmp_path / "run", DEFAULT_ORGANIZATION, INDEX)
    seen: list[int] = []
    importer(archive, journal).run(endless(), lambda item, outcome: seen.append(opened - len(seen)))
    journal.close()
    assert len(seen) == 100
    assert max(seen) <= 2 * importing.WORKERS + 1


def test_what_cannot_be_read_fails_by_itself_and_is_told(archive: Archive, tmp_path: Path) -> None:
    """A ZIP archive that ends early looks like no archive at all; a named pipe would be waited for."""
    media = tmp_path / "media"
    media.mkdir()
    with zipfile.ZipFile(media / "whole.zip", "w") as packed:
        packed.writestr("1.dcm", ct(1))
    whole = (media / "whole.zip").read_bytes()
    (media / "short.zip").write_bytes(whole[:-10])
    locked = bytearray(whole)
    for header, flags in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        locked[locked.index(header) + flags] |= 1
    (media / "locked.zip").write_bytes(locked)
    os.mkfifo(tmp_path / "pipe")
    tally = run(archive, tmp_path, media, tmp_path / "pipe")
    assert tally.counts == {"created": 1, "failed": 3}
    reasons = {Path(name.split(":")[0]).name: reason for name, reason in tally.failures}
    assert "encrypted" in reasons["locked.zip"]
    assert "ends early" in reasons["short.zip"]
    assert "neither a file" in reasons["pipe"]


def test_a_file_that_may_not_be_opened_fails_by_itself(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / name for name in ("forbidden.dcm", "open.dcm")]
    for number, path in enumerate(paths):
        path.write_bytes(ct(number))
    really = Path.open

    def forbidding(path: Path, *how: Any, **else_: Any) -> Any:
        if path.name == "forbidden.dcm":
            raise PermissionError
        return really(path, *how, **else_)

    monkeypatch.setattr(Path, "open", forbidding)
    tally = run(archive, tmp_path, *paths)
    assert tally.counts == {"created": 1, "failed": 1}
    assert "PermissionError" in tally.failures[0][1]


def test_a_folder_that_may_be_listed_but_not_entered_is_no_success(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "media" / "forbidden").mkdir(parents=True)
    (tmp_path / "media" / "forbidden" / "1.dcm").write_bytes(ct(1))
    (tmp_path / "media" / "open.dcm").write_bytes(ct(2))
    really = Path.stat

    def forbidding(path: Path, **how: Any) -> os.stat_result:
        if path.parent.name == "forbidden":
            raise PermissionError(13, "Permission denied", str(path))
        return really(path, **how)

    monkeypatch.setattr(Path, "stat", forbidding)
    tally = run(archive, tmp_path, tmp_path / "media")
    assert tally.counts == {"created": 1, "failed": 1}
    assert "PermissionError" in tally.failures[0][1]


def test_a_folder_that_may_not_be_listed_is_no_success(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "media" / "forbidden").mkdir(parents=True)
    (tmp_path / "media" / "open.dcm").write_bytes(ct(1))
    really = os.scandir

    def forbidding(path: Any) -> Any:
        if str(path).endswith("forbidden"):
            raise PermissionError(13, "Permission denied", str(path))
        return really(path)

    monkeypatch.setattr(os, "scandir", forbidding)
    tally = run(archive, tmp_path, tmp_path / "media")
    assert tally.counts == {"created": 1, "failed": 1}
    assert "folder" in tally.failures[0][1]


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_member_of_which_nothing_is_true_does_not_stop_the_others(
    archive: Archive, tmp_path: Path, method: int
) -> None:
    media = tmp_path / "media"
    media.mkdir()
    with zipfile.ZipFile(media / "packed.zip", "w", method) as writing:
        writing.writestr("1.dcm", ct(1))
        writing.writestr("2.dcm", ct(2))
    whole = (media / "packed.zip").read_bytes()
    central = whole.index(b"PK\1\2")
    for name, start, damage in (
        ("longer", central + 20, 2 * (10 << 20).to_bytes(4, "little")),  # its sizes
        ("other", central + 10, (99).to_bytes(2, "little")),  # its method
        ("noise", 200, bytes(range(200))),
    ):
        (media / f"{name}.zip").write_bytes(whole[:start] + damage + whole[start + len(damage) :])
    tally = run(archive, tmp_path, media)
    assert tally.counts["failed"] >= 2
    assert tally.counts.total() == 8
