"""Several objects are requested, and one of them is lost or damaged: the others arrive, and that is said."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import httpx
import orjson
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from pacs.http.streaming import SMALL
from pacs.model import Stored
from storage.blobs.address import key
from tests.dicomweb.retrieving import World, image, parts

STUDY = "/studies/1.2.3.1"
MULTIPART = 'multipart/related; type="application/dicom"'
OCTETS = 'multipart/related; type="application/octet-stream"'
Damage = Callable[[Path], object]


def lost(file: Path) -> None:
    file.unlink()


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def changed(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1] + b"?")


def stored(world: World, *files: bytes) -> list[Stored]:
    return [world.store(file) for file in files]


def harm(world: World, how: Damage, one: Stored) -> None:
    how(world.folder / key(one.blob.address))


def members(answer: httpx.Response) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("how", [lost, cut])
@pytest.mark.parametrize("accept", [MULTIPART, "application/zip"])
def test_what_is_known_to_be_lost_is_left_out(world: World, accept: str, how: Damage) -> None:
    files = [image(n) for n in (1, 2, 3)]
    harm(world, how, stored(world, *files)[1])
    answer = world.get(STUDY, accept)
    assert answer.status_code == 206
    assert "1 of 3 instances left out" in answer.headers["warning"]
    assert "etag" not in answer.headers or accept == "application/zip"
    found = [body for _, body in parts(answer)] if accept == MULTIPART else [*members(answer).values()]
    assert found == [files[0], files[2]]


@pytest.mark.parametrize("size", [24, SMALL])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_what_proves_damaged_is_replaced_by_a_note(world: World, syntax: str, size: int) -> None:
    """As stored, the length of the body is announced, and the note keeps to it."""
    files = [image(n, ImplicitVRLittleEndian, [bytes(size)]) for n in (1, 2, 3)]
    one = stored(world, *files)[1]
    harm(world, changed, one)
    answer = world.get(STUDY, f"{MULTIPART}; transfer-syntax={syntax}")
    assert answer.status_code == 200
    heads, bodies = zip(*parts(answer), strict=True)
    dicom = f"application/dicom; transfer-syntax={syntax}"
    assert [head["content-type"] for head in heads] == [dicom, "text/plain; charset=utf-8", dicom]
    assert one.identity.sop_instance_uid in bodies[1].decode()
    assert bodies[0].endswith(bytes(size)) and bodies[2].endswith(bytes(size))
    if syntax == ImplicitVRLittleEndian:
        assert int(answer.headers["content-length"]) == len(answer.content)
        assert (bodies[0], bodies[2]) == (files[0], files[2])
    (record,) = world.audited()
    told = orjson.loads(record["details"])
    assert (record["outcome"], told["completed"], told["remaining"]) == ("failure", 2, 1)


def test_a_store_that_is_far_away_is_not_asked_first(world: World) -> None:
    """That would be a question for each object before the first byte is sent."""
    files = [image(n) for n in (1, 2, 3)]
    harm(world, lost, stored(world, *files)[1])
    world.archive.blobs.near = False
    answer = world.get(STUDY, MULTIPART)
    assert answer.status_code == 200
    heads, bodies = zip(*parts(answer), strict=True)
    assert (bodies[0], bodies[2]) == (files[0], files[2])
    assert heads[1]["content-type"].startswith("text/plain")


@pytest.mark.parametrize("syntax", ["*", ExplicitVRLittleEndian])
def test_a_zip_says_what_is_damaged(world: World, syntax: str) -> None:
    files = [image(n, ImplicitVRLittleEndian) for n in (1, 2, 3)]
    one = stored(world, *files)[1]
    harm(world, changed, one)
    answer = world.get(STUDY, f"application/zip; transfer-syntax={syntax}")
    assert answer.status_code == 200
    found = members(answer)
    assert list(found) == ["dicom/000001.dcm", "dicom/000002.txt", "dicom/000003.dcm"]
    assert one.identity.sop_instance_uid in found["dicom/000002.txt"].decode()
    if syntax == "*":
        assert int(answer.headers["content-length"]) == len(answer.content)
        assert found["dicom/000003.dcm"] == files[2]


@pytest.mark.parametrize("how", [lost, cut, changed])
@pytest.mark.parametrize("accept", [MULTIPART, "application/zip", f"{MULTIPART}; transfer-syntax=*"])
def test_when_all_are_damaged_nothing_is_sent(world: World, accept: str, how: Damage) -> None:
    for one in stored(world, *(image(n, ImplicitVRLittleEndian) for n in (1, 2))):
        harm(world, how, one)
    answer = world.get(STUDY, accept)
    assert (answer.status_code, answer.json()["code"]) == (500, "INTEGRITY")


@pytest.mark.parametrize("how", [lost, cut, changed])
def test_pixel_data_of_the_others(world: World, how: Damage) -> None:
    frames = [bytes([n] * 24) for n in range(2)]
    one = stored(world, *(image(n, frames=frames) for n in (1, 2, 3)))[1]
    harm(world, how, one)
    answer = world.get(f"{STUDY}/pixeldata", OCTETS)
    sent = [body for head, body in parts(answer) if not head["content-type"].startswith("text/plain")]
    notes = [head for head, _ in parts(answer) if head["content-type"].startswith("text/plain")]
    assert sent == frames * 2
    if how is changed:
        assert answer.status_code == 200
        assert [head["content-location"][-27:] for head in notes] == [
            f"instances/1.2.3.1.1.2/frames/{n}"[-27:] for n in (1, 2)
        ]
    else:
        assert (answer.status_code, notes) == (206, [])
        assert "1 of 3 instances left out" in answer.headers["warning"]


@pytest.mark.parametrize("path", [f"{STUDY}/pixeldata", f"{STUDY}/series/1.2.3.1.1/instances/1.2.3.1.1.1"])
def test_a_frame_that_cannot_be_decoded_is_sent_as_stored(world: World, path: str) -> None:
    """Its bytes are those that were received: it is the sender's damage."""
    world.store(image(1, RLELossless, [_rle(), b"damaged!", _rle()]))
    answer = world.get(path if path.endswith("pixeldata") else f"{path}/frames/1-3", OCTETS)
    assert answer.status_code == 200
    found = parts(answer)
    assert [body for _, body in found] == [bytes(24), b"damaged!", bytes(24)]
    syntaxes = [head["content-type"].partition("transfer-syntax=")[2] for head, _ in found]
    assert syntaxes == [ExplicitVRLittleEndian, RLELossless, ExplicitVRLittleEndian]


def test_a_cut_object_of_many_frames_is_left_out_of_bulk_data(world: World) -> None:
    """Larger than those that are hashed before parts of them are sent."""
    frames = [bytes(1 << 20)] * 6
    one, _ = stored(world, image(1, frames=frames), image(2))
    harm(world, cut, one)
    answer = world.get(f"{STUDY}/bulkdata")
    assert answer.status_code == 206 and "1 of 2 instances" in answer.headers["warning"]
    assert [body for _, body in parts(answer)] == [bytes(range(24))]
    assert world.get(f"{STUDY}/series/1.2.3.1.1/instances/1.2.3.1.1.1/frames/1").status_code == 500


def _rle() -> bytes:
    """24 zeroes as a frame in RLE."""
    header = (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(56)
    return header + bytes.fromhex("e900")
