"""`pacs reindex` after a lost database: what is entered, what is left, and what is said of it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from storage.blobs import SpoolLimits, open_blobs
from storage.blobs.address import MARK
from tests.conformance.server import Server

CT, MR = (Path(str(get_testdata_file(name))) for name in ("CT_small.dcm", "MR_small.dcm"))
UPLOADED = {
    "a picture": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(200),
    "a document": b"%PDF-1.4\n%%EOF\n",
    "an archive": b"PK\3\4" + bytes(200),
    "a text of two bytes": b"ab",
    "a table of contents": Path(str(get_testdata_file("DICOMDIR"))).read_bytes(),
}


@pytest.fixture
def alone(tmp_path: Path) -> Server:
    """One image; no server is started."""
    server = Server(tmp_path / "data")
    server.quick_command("import", str(CT))
    return server


def lose_database(server: Server) -> None:
    for path in server.data.glob("pacs.db*"):
        path.unlink()


def publish(server: Server, *contents: bytes) -> None:
    blobs = open_blobs(None, server.data, None, SpoolLimits(reserve=0))
    for content in contents:
        with blobs.spool() as spool:
            spool.write(content)
            spool.seal()
            blobs.publish(spool)
    blobs.close()


def damage(server: Server, part: bytes, by: bytes) -> None:
    for path in (server.data / "blobs").rglob("*"):
        if path.is_file() and part in (content := path.read_bytes()):
            path.chmod(0o640)
            path.write_bytes(content.replace(part, by))
            return
    raise AssertionError("nothing to damage")


def test_uploaded_files_are_told_from_damage(alone: Server) -> None:
    publish(alone, *UPLOADED.values())
    lose_database(alone)
    said = alone.quick_command("reindex")
    assert "1 objects entered" in said and f"{len(UPLOADED)} files" in said
    assert alone.sql("select count(*) from instances") == "(1,)"


def test_what_was_stored_cut_short_is_entered_again(alone: Server) -> None:
    """It was taken when it came; nobody may have the whole one any more."""
    publish(alone, MR.read_bytes()[:-2000])
    lose_database(alone)
    assert "2 objects entered" in alone.quick_command("reindex")
    assert alone.sql("select count(*) from instances") == "(2,)"


@pytest.mark.parametrize(
    ("part", "by"),
    [
        (b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe1"),
        (b"CompressedSamples", b"DepressedSamples!"),
        (b"DICM\2\0", b"DICN\2\0"),
    ],
    ids=["a picture", "an image's value", "an image's mark"],
)
def test_what_is_no_longer_what_was_stored_is_named_and_not_entered(
    alone: Server, part: bytes, by: bytes
) -> None:
    publish(alone, *UPLOADED.values())
    damage(alone, part, by)
    lose_database(alone)
    assert "no longer what was stored" in alone.quick_command("reindex", code=1)
    entered = 1 if part.startswith(b"\xff") else 0
    assert alone.sql("select count(*) from instances") == f"({entered},)"


def test_what_says_that_it_is_dicom_and_cannot_be_entered_is_named(alone: Server) -> None:
    publish(alone, bytes(128) + b"DICM\2\0")
    lose_database(alone)
    assert "1 objects entered" in (said := alone.quick_command("reindex", code=1))
    assert "could not be entered" in said


def another(path: Path, sop: str) -> bytes:
    ds = dcmread(path)
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = sop
    written = io.BytesIO()
    ds.save_as(written)
    return written.getvalue()


def test_an_object_is_shown_to_nobody_but_the_organisation_that_it_is_of(alone: Server) -> None:
    """An older copy of the database was put back: bytes do not say whose they are, their study may."""
    alone.quick_command("organization", "add", "clinic")
    publish(alone, another(CT, "1.2.3.4"), MR.read_bytes())
    said = alone.quick_command("reindex", code=1)
    assert "1 objects entered" in said and "--organization" in said
    assert not (alone.data / MARK).exists(), "or the sweep would remove what is left"
    assert alone.sql("select count(*), max(org_id) from instances") == "(2, 1)"
    assert "1 objects entered" in alone.quick_command("reindex", "--organization", "clinic")
    assert (alone.data / MARK).exists()
    assert alone.sql("select count(*), max(org_id) from instances") == "(3, 2)"
    publish(alone, another(MR, "1.2.3.5"), another(CT, "1.2.3.6"))
    assert "2 objects entered" in alone.quick_command("reindex", "--organization", "clinic")
    assert alone.sql("select count(*) from instances where org_id = 1") == "(3,)"
    assert "there is no organisation" in alone.quick_command("reindex", "--organization", "none", code=1)
