"""Studies, series and instances as files (PS3.18 §10.4), at the app's level."""

from __future__ import annotations

import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import orjson
import pytest
from pydicom import dcmread
from pydicom.uid import (
    MPEG4HP41,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

from pacs.archive import Archive
from pacs.dicom.image import ImagePixel
from pacs.dicom.part10 import PREAMBLE, PREFIX, read_part10
from pacs.dicom.source import BytesSource
from pacs.model import StoredInstance
from pacs.pixels.transcode import encode_frame
from pacs.ports import BlobReader
from tests.dicomweb.retrieving import World, image, parts, path_to

STUDY = "/studies/1.2.3.1"
ALONE = f"application/dicom; transfer-syntax={ExplicitVRLittleEndian}"
CONVERTED = f"application/dicom; transfer-syntax={ImplicitVRLittleEndian}"
MULTIPART = 'multipart/related; type="application/dicom"'


def test_a_study_in_parts_each_as_it_was_sent(world: World) -> None:
    files = [image(n) for n in (1, 2, 3)]
    for file in files:
        world.store(file)
    answer = world.get(STUDY, MULTIPART)
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content)
    found = parts(answer)
    assert [body for _, body in found] == files
    assert {head["content-type"] for head, _ in found} == {
        f"application/dicom; transfer-syntax={ExplicitVRLittleEndian}"
    }
    assert [int(head["content-length"]) for head, _ in found] == [len(file) for file in files]


@pytest.mark.parametrize(
    ("level", "accept"),
    [
        (1, MULTIPART),
        (2, MULTIPART),
        (3, MULTIPART),
        (3, ALONE),
        (1, "application/zip"),
        (3, "application/zip"),
    ],
)
def test_what_is_sent_as_stored_has_a_strong_entity_tag(world: World, level: int, accept: str) -> None:
    path = path_to(world.store(image()).identity, level)
    first = world.get(path, accept)
    tag = first.headers["etag"]
    assert tag.startswith('"') and first.headers["cache-control"] == "private, no-cache"
    assert first.headers["vary"] == "Accept"
    same = world.get(path, accept)
    assert (same.headers["etag"], same.content) == (tag, first.content)
    known = world.get(path, accept, **{"if-none-match": tag})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)
    assert [(each["action"], each["outcome"]) for each in world.audited()] == [("retrieve", "success")] * 3
    if level < 3:
        world.store(image(2))
        changed = world.get(path, accept, **{"if-none-match": tag})
        assert changed.status_code == 200 and changed.headers["etag"] != tag


def test_each_form_has_its_own_entity_tag_and_what_is_converted_none(world: World) -> None:
    path = path_to(world.store(image()).identity, 3)
    forms = [world.get(path, accept) for accept in (MULTIPART, ALONE, "application/zip")]
    assert len({each.headers["etag"] for each in forms}) == 3
    assert "etag" not in world.get(path, CONVERTED).headers


@pytest.mark.parametrize("level", [1, 2, 3])
def test_every_level(world: World, level: int) -> None:
    stored = world.store(image())
    for accept in (None, "*/*", MULTIPART):
        ((_, body),) = parts(world.get(path_to(stored.identity, level), accept))
        assert body == image()


def test_one_instance_alone(world: World) -> None:
    stored = world.store(image())
    answer = world.get(path_to(stored.identity), "application/dicom")
    assert answer.content == image()
    assert answer.headers["content-type"] == f"application/dicom; transfer-syntax={ExplicitVRLittleEndian}"
    assert world.get(STUDY, "application/dicom").status_code == 406


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_explicit_little_endian_unless_another_is_asked_for(world: World, syntax: str) -> None:
    """Case A21."""
    file = image(syntax=syntax, frames=[bytes(range(24))])
    path = path_to(world.store(file).identity)
    for accept in (None, "application/dicom", f"application/dicom; transfer-syntax={ExplicitVRLittleEndian}"):
        answer = world.get(path, accept)
        body = parts(answer)[0][1] if accept is None else answer.content
        ds = dcmread(BytesIO(body))
        assert ds.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert ds.PixelData == bytes(range(24))
    for accept in (
        "application/dicom; transfer-syntax=*",
        f"application/dicom; transfer-syntax={syntax}",
        f"application/dicom; transfer-syntax={JPEGBaseline8Bit}, application/dicom; transfer-syntax={syntax}",
        f"application/dicom; transfer-syntax=*, {ALONE}; q=0.9",
    ):
        assert world.get(path, accept).content == file
    weighed = f"application/dicom; transfer-syntax=*;q=0.2, {ALONE}"
    assert (
        dcmread(BytesIO(world.get(path, weighed).content)).file_meta.TransferSyntaxUID
        == ExplicitVRLittleEndian
    )


def _jpeg(number: int = 1) -> bytes:
    frame = encode_frame(JPEGBaseline8Bit, ImagePixel(8, 8, 8, 8), bytes(range(64)))
    return image(number, JPEGBaseline8Bit, [frame], Rows=8, Columns=8)


def test_a_compressed_one_is_decoded_when_the_caller_names_no_syntax(world: World) -> None:
    path = path_to(world.store(_jpeg()).identity)
    ds = dcmread(BytesIO(world.get(path, "application/dicom").content))
    assert (ds.file_meta.TransferSyntaxUID, len(ds.PixelData)) == (ExplicitVRLittleEndian, 64)
    assert world.get(path, "application/dicom; transfer-syntax=*").content == _jpeg()


@pytest.mark.parametrize("broken", [False, True])
def test_what_cannot_be_decoded_goes_as_stored_only_where_that_is_acceptable(
    world: World, broken: bool
) -> None:
    """PS3.18 §8.7.3.4 lets the default be the stored syntax where there is no other."""
    syntax = RLELossless if broken else MPEG4HP41
    file = image(syntax=syntax, frames=[b"damaged!"])
    path = path_to(world.store(file).identity)
    answer = world.get(path, "application/dicom")
    assert answer.content == file
    assert answer.headers["content-type"] == f"application/dicom; transfer-syntax={syntax}"
    refused = world.get(path, f"application/dicom; transfer-syntax={ExplicitVRLittleEndian}")
    assert refused.status_code == 406
    assert refused.json()["code"] == ("NOT_CONVERTIBLE" if broken else "NOT_ACCEPTABLE")


@pytest.mark.parametrize("before", [b"", b"DICM", PREAMBLE + PREFIX, None], ids=repr)
def test_a_file_that_came_without_its_header_gets_one(world: World, before: bytes | None) -> None:
    """Also when it is asked for as stored; what is stored stays. None: all but the preamble."""
    whole = image(syntax=ImplicitVRLittleEndian)
    bare = whole[read_part10(BytesSource(whole)).dataset_offset :]
    meta = whole[132 : -len(bare)]
    sent = meta + bare if before is None else before + (meta if before == PREFIX else b"") + bare
    stored = world.store(sent)
    for syntax in (ImplicitVRLittleEndian, "*"):
        answer = world.get(path_to(stored.identity), f"application/dicom; transfer-syntax={syntax}")
        assert int(answer.headers["content-length"]) == len(answer.content)
        ds = dcmread(BytesIO(answer.content))
        assert ds.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
        assert answer.content.endswith(bare) and len(answer.content) > len(sent)
    zipped = world.get(STUDY, "application/zip")
    with zipfile.ZipFile(BytesIO(zipped.content)) as archive:
        assert archive.read("dicom/000001.dcm") == answer.content
    with world.archive.blobs.open(stored.blob.address) as kept:
        assert b"".join(kept.chunks()) == sent


@pytest.mark.parametrize("headed", [True, False])
def test_a_file_that_is_sent_as_stored_comes_in_ranges(world: World, headed: bool) -> None:
    """Also one whose first bytes are made anew, wherever the range begins and ends."""
    whole = image(PatientComments="x" * 4000)
    sent = whole if headed else whole[read_part10(BytesSource(whole)).dataset_offset :]
    path = path_to(world.store(sent).identity)
    as_stored = "application/dicom; transfer-syntax=*"
    plain = world.get(path, as_stored)
    size, etag = len(plain.content), plain.headers["etag"]
    assert (plain.status_code, plain.headers["accept-ranges"]) == (200, "bytes")
    for start, stop in ((0, 132), (100, size - 2000), (0, size), (size - 2000, size)):
        asked = {"Range": f"bytes={start}-{stop - 1}", "If-Range": etag}
        answer = world.get(path, as_stored, **asked)
        assert (answer.status_code, answer.content) == (206, plain.content[start:stop])
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
        assert answer.headers["etag"] == etag
    assert world.get(path, as_stored, Range=f"bytes={size}-").status_code == 416
    assert world.get(path, as_stored, Range="bytes=0-1", **{"If-None-Match": etag}).status_code == 304
    assert world.audited()[-1]["outcome"] == "success"


def test_what_is_converted_comes_whole(world: World) -> None:
    path = path_to(world.store(image()).identity)
    answer = world.get(path, CONVERTED, Range="bytes=0-9")
    assert (answer.status_code, answer.headers.get("accept-ranges")) == (200, None)


def test_no_byte_of_a_damaged_file_is_sent(world: World) -> None:
    stored = world.store(image())
    digest = stored.blob.address.partition(":")[2]
    (kept,) = [each for each in world.folder.rglob("*") if each.is_file() and digest[4:] in each.name]
    kept.chmod(0o600)
    kept.write_bytes(bytes(len(image())))
    answer = world.get(path_to(stored.identity), ALONE, Range="bytes=0-9")
    assert answer.status_code == 500


@pytest.mark.parametrize("accept", [MULTIPART, "application/zip"])
def test_part_of_a_study_is_206_and_says_so(world: World, accept: str) -> None:
    world.store(image(1))
    world.store(image(2, MPEG4HP41, [b"video"]))
    answer = world.get(STUDY, f"{accept}; transfer-syntax={ExplicitVRLittleEndian}")
    assert answer.status_code == 206
    if accept == MULTIPART:
        assert [body for _, body in parts(answer)] == [image(1)]
    assert answer.headers["warning"].startswith("299 http://testserver/dicom-web ")
    assert "1 of 2 instances left out" in answer.headers["warning"]


@pytest.mark.parametrize("accept", [MULTIPART, "application/zip"])
def test_a_damaged_image_does_not_take_the_study_with_it(world: World, accept: str) -> None:
    """The damage shows only when the image is decoded, and the answer has begun by then."""
    damaged = image(2, RLELossless, [b"damaged!"])
    for file in (image(1), damaged, image(3)):
        world.store(file)
    answer = world.get(STUDY, f"{accept}; transfer-syntax={ExplicitVRLittleEndian}")
    assert answer.status_code == 200
    if accept == MULTIPART:
        assert [body for _, body in parts(answer)] == [image(1), damaged, image(3)]
        named = [head["content-type"].partition("=")[2] for head, _ in parts(answer)]
        assert named == [ExplicitVRLittleEndian, RLELossless, ExplicitVRLittleEndian]
    else:
        with zipfile.ZipFile(BytesIO(answer.content)) as archive:
            assert [archive.read(name) for name in archive.namelist()] == [image(1), damaged, image(3)]


def test_a_zip_holds_the_very_bytes_under_our_own_names(world: World) -> None:
    files = [image(1), image(2, ImplicitVRLittleEndian), _jpeg(3)]
    for file in files:
        world.store(file)
    answer = world.get(STUDY, "application/zip")
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content)
    with zipfile.ZipFile(BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"dicom/{n:06d}.dcm" for n in (1, 2, 3)]
        assert [archive.read(name) for name in archive.namelist()] == files
        assert {each.compress_type for each in archive.infolist()} == {zipfile.ZIP_STORED}


def test_a_zip_in_another_syntax(world: World) -> None:
    world.store(image(1, ImplicitVRLittleEndian))
    answer = world.get(STUDY, f"application/zip; transfer-syntax={ExplicitVRLittleEndian}")
    with zipfile.ZipFile(BytesIO(answer.content)) as archive:
        ds = dcmread(BytesIO(archive.read("dicom/000001.dcm")))
    assert ds.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_a_zip_that_broke_off_is_resumed(world: World) -> None:
    """Case A24."""
    for n in (1, 2):
        world.store(image(n))
    whole = world.get(STUDY, "application/zip")
    size, etag = len(whole.content), whole.headers["etag"]
    rest = world.get(STUDY, "application/zip", Range="bytes=500-", **{"If-Range": etag})
    assert (rest.status_code, rest.content) == (206, whole.content[500:])
    assert rest.headers["content-range"] == f"bytes 500-{size - 1}/{size}"
    middle = world.get(STUDY, "application/zip", Range="bytes=10-19")
    assert middle.content == whole.content[10:20]
    assert world.get(STUDY, "application/zip", Range="bytes=-7").content == whole.content[-7:]
    beyond = world.get(STUDY, "application/zip", Range=f"bytes={size}-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    world.store(image(3))
    anew = world.get(STUDY, "application/zip", Range="bytes=500-", **{"If-Range": etag})
    assert (anew.status_code, anew.headers["etag"] == etag) == (200, False)


def test_nothing_there_and_another_organisations_are_the_same_404(world: World) -> None:
    identity = world.store(image()).identity
    for level in (1, 2, 3):
        path = path_to(identity, level)
        theirs = world.get(path, "*/*", **{"X-Theirs": "1"})
        nothing = world.get(path.replace("1.2.3.1", "1.2.3.9"), "*/*")
        assert (theirs.status_code, nothing.status_code) == (404, 404)
        assert theirs.json()["message"] == nothing.json()["message"]


def test_the_same_study_of_two_organisations(world: World) -> None:
    ours, theirs = image(PatientID="OURS"), image(PatientID="THEIRS")
    world.store(ours)
    world.store(theirs, world.theirs)
    assert parts(world.get(STUDY))[0][1] == ours
    assert parts(world.get(STUDY, **{"X-Theirs": "1"}))[0][1] == theirs


@pytest.mark.parametrize("uid", ["1.2.x", "%00", "..", "1" * 65, "%F0%9F%A6%84"])
def test_what_is_no_uid(world: World, uid: str) -> None:
    assert world.get(f"/studies/{uid}").status_code in (400, 404)


def test_each_retrieval_is_audited_once(world: World) -> None:
    for n in (1, 2):
        world.store(image(n))
    world.get(STUDY, MULTIPART, **{"X-Correlation-ID": "abc"})
    (record,) = world.audited()
    assert (record["outcome"], record["resource"]) == ("success", "1.2.3.1")
    assert '"completed":2' in record["details"].replace(" ", "")


def test_damage_is_an_error_not_wrong_pixels(world: World) -> None:
    stored = world.store(image())
    (blob,) = (path for path in world.folder.rglob("*") if path.is_file() and path.stat().st_size > 300)
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    answer = world.get(path_to(stored.identity))
    assert (answer.status_code, answer.json()["code"]) == (500, "INTEGRITY")
    (record,) = world.audited()
    assert record["outcome"] == "failure"


@pytest.mark.parametrize("accept", [MULTIPART, "application/dicom", CONVERTED, "application/zip"])
def test_what_failed_is_audited_as_not_completed(world: World, accept: str) -> None:
    identity = world.store(image()).identity
    (blob,) = (path for path in world.folder.rglob("*") if path.is_file() and path.stat().st_size > 300)
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    assert world.get(path_to(identity), accept).status_code == 500
    (record,) = world.audited()
    told = orjson.loads(record["details"])
    assert (record["outcome"], told["completed"], told["remaining"]) == ("failure", 0, 1)


@pytest.mark.parametrize("path", ["", "/metadata", "/frames/1", "/bulkdata", "/bulkdata/7FE00010"])
def test_head_sends_no_body(world: World, path: str) -> None:
    identity = world.store(image()).identity
    for accept in ("application/dicom", "*/*"):
        whole = f"/dicom-web{path_to(identity)}{path}"
        answer = world.client.head(whole, headers={"Accept": accept})
        assert (answer.status_code, answer.content) in ((200, b""), (406, b""))
    assert world.audited() == []  # nothing left the archive
    assert world.get(path_to(identity) + path).status_code == 200
    assert len(world.audited()) == 1


@pytest.mark.parametrize("path", ["", "/frames/1"])
def test_conversions_that_take_long_hold_up_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    instance = path_to(world.store(image()).identity)
    begun, done = threading.Semaphore(0), threading.Event()
    really = Archive.open

    def slowly(archive: Archive, stored: StoredInstance) -> BlobReader:
        begun.release()
        done.wait(120)
        return really(archive, stored)

    monkeypatch.setattr(Archive, "open", slowly)
    with world.client, ThreadPoolExecutor(61) as callers:
        slow = [callers.submit(world.get, instance + path) for _ in range(60)]
        try:
            assert begun.acquire(timeout=60)
            time.sleep(0.5)  # until all are at work or in line
            assert callers.submit(world.get, f"{instance}/metadata").result(60).status_code == 200
        finally:
            done.set()
        assert {each.result(60).status_code for each in slow} == {200}
