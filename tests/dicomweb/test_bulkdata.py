"""Bulk data resources: every value that metadata names, whole and in ranges."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO

import pytest
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

from pacs.bulk import BulkValue
from pacs.errors import Damaged
from pacs.model import Stored
from storage.blobs.address import key
from tests.corpus import SHARED_DATA, needs_corpus
from tests.dicomweb.retrieving import OURS, World, image, parts, path_to, uris, written

MPEG4 = "1.2.840.10008.1.2.4.102"
WORDS = list(range(1000))
SYNTAXES = [
    ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian,
]  # fmt: skip


def put(world: World, data: bytes) -> str:
    """The path of the instance."""
    return path_to(world.store(data).identity)


def with_words(syntax: str) -> bytes:
    """A data set with 16-bit numbers at the top and inside a sequence, beside its pixels."""
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    packed = struct.pack(f"{order}{len(WORDS)}H", *WORDS)
    item = Dataset()
    item.add_new("WaveformData", "OW", packed)
    return image(1, syntax, WaveformSequence=[Dataset(), item], RedPaletteColorLookupTableData=packed)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_values_inside_sequences_are_little_endian(world: World, syntax: str) -> None:
    path = put(world, with_words(syntax))
    (metadata,) = world.get(f"{path}/metadata").json()
    found = list(uris(metadata))
    assert [uri.partition("/bulkdata/")[2] for uri in found] == ["54000100/1/54001010", "7FE00010"]
    answer = world.client.get(found[0])
    assert answer.headers["content-type"] == "application/octet-stream"
    assert struct.unpack(f"<{len(WORDS)}H", answer.content) == tuple(WORDS)
    assert world.client.get(found[1]).content == bytes(range(24))


def test_pixels_wider_than_a_word(world: World) -> None:
    numbers = list(range(24))
    data = struct.pack(">24I", *numbers)
    path = put(world, image(1, ExplicitVRBigEndian, [data], BitsAllocated=32, BitsStored=32, HighBit=31))
    answer = world.get(f"{path}/bulkdata/7FE00010")
    assert struct.unpack("<24I", answer.content) == tuple(numbers)


RANGES = [
    ("bytes=0-0", 0, 1),
    ("bytes=3-8", 3, 9),
    ("bytes=1990-", 1990, 2000),
    ("bytes=-5", 1995, 2000),
    ("bytes=1-99999", 1, 2000),
]


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(("asked", "start", "stop"), RANGES)
def test_ranges(world: World, syntax: str, asked: str, start: int, stop: int) -> None:
    path = put(world, with_words(syntax))
    answer = world.get(f"{path}/bulkdata/54000100/1/54001010", "*/*", range=asked)
    assert answer.status_code == 206
    assert answer.content == struct.pack("<1000H", *WORDS)[start:stop]
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/2000"
    assert answer.headers["accept-ranges"] == "bytes"


def test_ranges_that_are_not_there_and_that_are_outdated(world: World) -> None:
    path = f"{put(world, with_words(ExplicitVRLittleEndian))}/bulkdata/54000100/1/54001010"
    refused = world.get(path, "*/*", range="bytes=2000-")
    assert (refused.status_code, refused.headers["content-range"]) == (416, "bytes */2000")
    tag = world.get(path).headers["etag"]
    current = world.get(path, "*/*", **{"range": "bytes=1-2", "if-range": tag})
    outdated = world.get(path, "*/*", **{"range": "bytes=1-2", "if-range": '"old"'})
    assert (current.status_code, len(current.content)) == (206, 2)
    assert (outdated.status_code, len(outdated.content)) == (200, 2000)
    assert world.get(path, **{"if-none-match": tag}).status_code == 304


def test_a_range_of_a_value_larger_than_a_piece(world: World) -> None:
    data = bytes(range(256)) * 4096
    path = put(world, image(1, frames=[data], Rows=1024, Columns=1024))
    start, stop = 262_143, 786_435
    answer = world.get(f"{path}/bulkdata/7FE00010", "*/*", range=f"bytes={start}-{stop - 1}")
    assert answer.content == data[start:stop]


@pytest.mark.parametrize(
    "accept", ['multipart/related; type="application/octet-stream"', "multipart/related;type=*/*"]
)
def test_in_parts(world: World, accept: str) -> None:
    path = put(world, image(1, frames=[bytes(24), bytes(range(24))]))
    answer = world.get(f"{path}/bulkdata/7FE00010", accept)
    ((head, body),) = parts(answer)
    assert body == bytes(24) + bytes(range(24))
    assert head["content-location"] == f"http://testserver/dicom-web{path}/bulkdata/7FE00010"
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_compressed_pixels_are_frames(world: World) -> None:
    frame = b"as stored"
    path = put(world, image(1, JPEGBaseline8Bit, [frame, frame * 2]))
    found = parts(world.get(f"{path}/bulkdata/7FE00010", "multipart/related; type=image/jpeg"))
    assert [body.rstrip(b"\0") for _, body in found] == [frame, frame * 2]
    assert [head["content-location"] for head, _ in found] == [
        f"http://testserver/dicom-web{path}/frames/{number}" for number in (1, 2)
    ]


def test_compressed_pixels_inside_a_sequence(world: World) -> None:
    icon = Dataset()
    icon.Rows, icon.Columns = 1, 1
    icon.PixelData = encapsulate([b"abcd", b"efgh"])
    icon["PixelData"].VR, icon["PixelData"].is_undefined_length = "OB", True
    path = put(world, image(1, RLELossless, [bytes(64)], IconImageSequence=[icon]))
    answer = world.get(f"{path}/bulkdata/00880200/0/7fe00010")
    assert (answer.content, answer.headers["content-type"]) == (b"abcdefgh", "image/dicom-rle")


def test_video_in_fragments_is_sought(world: World) -> None:
    stream = bytes(range(256)) * 8
    ds = dcmread(BytesIO(image(1, MPEG4, [stream])))
    ds.PixelData = encapsulate([stream], fragments_per_frame=4)
    assert ds.PixelData.count(b"\xfe\xff\x00\xe0") == 5  # offset table and fragments
    path = f"{put(world, written(ds, MPEG4))}/bulkdata/7FE00010"
    for accept in ("*/*", "video/mp4", "video/*;q=0.9", None):
        answer = world.get(path, accept)
        assert (answer.content, answer.headers["content-type"]) == (stream, "video/mp4")
    part = world.get(path, "*/*", range="bytes=500-600")
    assert (part.status_code, part.content) == (206, stream[500:601])
    assert world.get(path, "application/octet-stream").content == stream
    ((_, body),) = parts(world.get(path, "multipart/related; type=video/mp4"))
    assert body == stream


def document(mime: str, length: int | None) -> bytes:
    ds = dcmread(BytesIO(image(1)))
    del ds.PixelData
    ds.add_new("EncapsulatedDocument", "OB", b"%PDF-1.7" + bytes(1993) + b"\0")
    ds.MIMETypeOfEncapsulatedDocument = mime
    if length is not None:
        ds.EncapsulatedDocumentLength = length
    return written(ds, ExplicitVRLittleEndian)


def test_a_document_is_what_it_says_without_its_padding(world: World) -> None:
    path = put(world, document("application/pdf", 2001))
    (uri,) = uris(world.get(f"{path}/metadata").json())
    answer = world.client.get(uri)
    assert (answer.headers["content-type"], len(answer.content)) == ("application/pdf", 2001)
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert world.client.get(f"{uri}?accept=application/pdf").headers["content-type"] == "application/pdf"
    assert world.get(f"{path}/bulkdata/00420011", "application/octet-stream").status_code == 200
    assert world.get(f"{path}/bulkdata/00420011", "image/png").status_code == 406


@pytest.mark.parametrize("mime", ["text/html", "application/javascript", "", "x" * 60])
def test_a_document_cannot_be_what_a_browser_runs(world: World, mime: str) -> None:
    path = put(world, document(mime, 7))
    answer = world.get(f"{path}/bulkdata/00420011")
    assert (answer.headers["content-type"], len(answer.content)) == ("application/octet-stream", 2002)


def test_long_text_is_utf_8(world: World) -> None:
    long = "Größe " * 20_000
    path = put(world, image(1, SpecificCharacterSet="ISO_IR 100", TextValue=long))
    (uri, _) = uris(world.get(f"{path}/metadata").json())
    assert world.client.get(uri).content.decode() == long.rstrip()


WRONG = [
    "0", "7FE0001", "7FE00010/0", "7FE00010/0/7FE00010", "54000100", "54000100/1", "54000100/2/54001010",
    "54000100/-1/54001010", "54000100/0/54001010", "00100010x", "54000100/1//54001010",
    "00400000", "00100020/0/00100020", "5400０100", "..%2Fmetadata",
]  # fmt: skip


@pytest.mark.parametrize("value", WRONG)
def test_not_there(world: World, value: str) -> None:
    path = put(world, with_words(ExplicitVRLittleEndian))
    assert world.get(f"{path}/bulkdata/{value}").status_code == 404


def test_all_of_a_study(world: World) -> None:
    words = put(world, with_words(ExplicitVRBigEndian))
    images = put(world, image(2, JPEGBaseline8Bit, [b"as stored", b"as stored too"]))
    study = words.partition("/series")[0]
    found = {
        head["content-location"]: body.rstrip(b"\0") for head, body in parts(world.get(f"{study}/bulkdata"))
    }
    service = "http://testserver/dicom-web"
    assert found == {
        f"{service}{words}/bulkdata/54000100/1/54001010": struct.pack("<1000H", *WORDS),
        f"{service}{words}/bulkdata/7FE00010": bytes(range(24)),
        f"{service}{images}/frames/1": b"as stored",
        f"{service}{images}/frames/2": b"as stored too",
    }
    for level in (study, words.partition("/instances")[0]):
        assert len(parts(world.get(f"{level}/bulkdata", "multipart/related"))) == 4
        assert world.get(f"{level}/bulkdata", "*/*", **{"x-theirs": "1"}).status_code == 404
    assert len(parts(world.get(f"{words}/bulkdata"))) == 2
    assert world.get(f"{words}/bulkdata", "image/png").status_code == 406


def test_none_of_an_object_that_has_none(world: World) -> None:
    ds = dcmread(BytesIO(image(1)))
    del ds.PixelData
    assert world.get(f"{put(world, written(ds, ExplicitVRLittleEndian))}/bulkdata").status_code == 204


def test_another_organisation_sees_nothing(world: World) -> None:
    path = put(world, with_words(ExplicitVRLittleEndian))
    assert world.get(f"{path}/bulkdata/7FE00010", "*/*", **{"x-theirs": "1"}).status_code == 404


def test_each_access_is_audited_once(world: World) -> None:
    path = put(world, with_words(ExplicitVRLittleEndian))
    world.get(f"{path}/bulkdata/7FE00010", "*/*", range="bytes=0-3")
    world.store(image(2))  # what waited for a transaction shares this one
    assert len(world.audited()) == 1


def test_what_is_damaged_is_said(world: World) -> None:
    path = put(world, with_words(ExplicitVRLittleEndian))
    for blob in world.folder.rglob("*"):
        if blob.is_file() and "spool" not in blob.parts:
            blob.write_bytes(blob.read_bytes()[:-100])
    assert world.get(f"{path}/bulkdata/7FE00010").status_code in (404, 500)


def damage(world: World, stored: Stored) -> None:
    for each in world.archive.retrieve(OURS, stored.identity.study_instance_uid):
        if each.identity == stored.identity:
            path = world.folder / key(each.blob.address)
            path.write_bytes(path.read_bytes()[:-1] + b"?")


def test_a_damaged_object_is_left_out_of_a_study_and_that_is_said(world: World) -> None:
    whole, damaged = world.store(with_words(ExplicitVRBigEndian)), world.store(image(2))
    study = path_to(whole.identity).partition("/series")[0]
    damage(world, damaged)
    answer = world.get(f"{study}/bulkdata")
    assert answer.status_code == 206
    assert "1 of 2 instances" in answer.headers["warning"] and answer.headers["warning"].startswith("299 ")
    assert {head["content-location"].partition("/bulkdata")[0] for head, _ in parts(answer)} == {
        f"http://testserver/dicom-web{path_to(whole.identity)}"
    }
    assert "warning" not in world.get(f"{path_to(whole.identity)}/bulkdata").headers
    assert world.get(f"{path_to(damaged.identity)}/bulkdata").status_code == 500
    damage(world, whole)
    assert world.get(f"{study}/bulkdata").status_code == 500


def test_an_object_damaged_while_it_is_sent_is_an_error(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was whole when it was looked at; leaving it out then would be silent."""
    path = put(world, image(2, JPEGBaseline8Bit, [b"as stored", b"as stored too"]))

    def damaged(*_: object) -> Iterator[bytes]:
        raise Damaged
        yield b""

    monkeypatch.setattr(BulkValue, "pieces", damaged)
    assert world.get(f"{path}/bulkdata").status_code == 500


@needs_corpus
@pytest.mark.parametrize("name", ["waveform", "doc", "video", "pr-lut"])
def test_every_uri_of_the_corpus_leads_somewhere(world: World, name: str) -> None:
    count = 0
    for file in sorted((SHARED_DATA / name).iterdir()):
        data = file.read_bytes()
        identity = world.store(data).identity
        (metadata,) = world.get(f"{path_to(identity)}/metadata").json()
        for uri in uris(metadata):
            answer = world.get(uri.partition("/dicom-web")[2], "*/*")
            assert answer.status_code == 200 and answer.content, (file.name, uri)
            count += 1
    assert count
