"""Instances that come as metadata and bulk data: made into files that other readers agree with."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames

from dicomweb.native_model import to_xml
from pacs.actor import system_actor
from pacs.pixels.png import decode_png, png_image
from tests.dicomweb.storing import FAILED, OTHER, REFERENCED, STUDIES, Storing

JSON, XML = "application/dicom+json", "application/dicom+xml"
Part = tuple[dict[str, str], bytes]


def metadata(
    uid: str = "1.2.3.1.1", sop_class: str = "1.2.840.10008.5.1.4.1.1.7", **more: Any
) -> dict[str, Any]:
    return {
        "00080016": {"vr": "UI", "Value": [sop_class]},
        "00080018": {"vr": "UI", "Value": [uid]},
        "00080060": {"vr": "CS", "Value": ["OT"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Ä"}]},
        "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
        "0020000E": {"vr": "UI", "Value": ["1.2.3.1"]},
        **{f"{int(tag[1:], 16):08X}": value for tag, value in more.items()},
    }


PIXELS = {"vr": "OW", "BulkDataURI": "bulk/pixels"}


def part(data: bytes, kind: str, location: str = "") -> Part:
    return {"Content-Type": kind} | ({"Content-Location": location} if location else {}), data


def described(*data_sets: dict[str, Any]) -> Part:
    return part(orjson.dumps(data_sets), JSON)


def post(world: Storing, *parts: Part, root: str = JSON, path: str = "") -> Any:
    body = b"".join(
        b"--b\r\n"
        + "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        + b"\r\n"
        + data
        + b"\r\n"
        for headers, data in parts
    )
    kind = f'multipart/related; type="{root}"; boundary=b'
    return world.client.post(STUDIES + path, content=body + b"--b--", headers={"Content-Type": kind})


def stored(world: Storing, uid: str = "1.2.3.1.1") -> Dataset:
    instance = next(world.archive.retrieve(system_actor("test"), "1.2.3", None, uid))
    with world.archive.open(instance) as reader:
        return dcmread(io.BytesIO(b"".join(reader.chunks())))


def picture(mode: str, size: tuple[int, int] = (40, 24)) -> Image.Image:
    shape = (size[1], size[0]) if mode != "RGB" else (size[1], size[0], 3)
    high = 65536 if mode == "I;16" else 256
    samples = np.random.default_rng(1).integers(0, high, shape, dtype=np.uint16 if high > 256 else np.uint8)
    return Image.fromarray(samples)


def file(image: Image.Image, name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def test_metadata_is_bounded_whatever_the_number_of_its_parts(
    world: Storing, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = described(metadata()), described(metadata("1.2.3.1.2"))
    monkeypatch.setattr("dicomweb.store.metadata.MAX_METADATA", len(one[1]) + len(other[1]) - 1)
    assert post(world, one, other).status_code == 413
    assert world.instances() == 0
    assert post(world, one).status_code == 200


@pytest.mark.parametrize("bound", ["MAX_INSTANCES", "MAX_VALUES"])
def test_what_metadata_becomes_in_memory_is_bounded(
    world: Storing, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """An empty data set has three bytes, and takes hundreds of them when it has been read."""
    monkeypatch.setattr(f"dicomweb.store.metadata.{bound}", 20)
    one = described(metadata())
    assert post(world, one).status_code == 200
    many = part(b"[" + b"{}," * 20 + b"{}]", JSON)
    for parts in ([many], [one, many], [part(b"[" * 21 + b"]" * 21, JSON), one]):
        assert post(world, *parts).status_code == (413 if bound == "MAX_VALUES" or many in parts else 400)


def test_native_pixels(world: Storing) -> None:
    shape: dict[str, Any] = {
        "t00280010": {"vr": "US", "Value": [4]},
        "t00280011": {"vr": "US", "Value": [3]},
        "t7FE00010": PIXELS,
    }
    answer = post(
        world, described(metadata(**shape)), part(b"123456789012", "application/octet-stream", "bulk/pixels")
    )
    assert answer.status_code == 200
    ds = stored(world)
    assert ds.PixelData == b"123456789012" and (ds.Rows, ds.Columns) == (4, 3)
    assert ds.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert str(ds.PatientName) == "Müller^Ä" and ds.SpecificCharacterSet == "ISO_IR 192"
    assert world.spool_empties()


@pytest.mark.parametrize(
    ("image", "name", "options", "kind", "syntax", "expected"),
    [
        ("RGB", "JPEG", {}, "image/jpeg", "1.2.840.10008.1.2.4.50", ("YBR_FULL_422", 3, 8, "01")),
        ("RGB", "JPEG", {"subsampling": 0}, "image/jpeg", "1.2.840.10008.1.2.4.50", ("YBR_FULL", 3, 8, "01")),
        ("L", "JPEG", {}, "image/jpeg", "1.2.840.10008.1.2.4.50", ("MONOCHROME2", 1, 8, "01")),
        ("L", "JPEG2000", {}, "image/jp2", "1.2.840.10008.1.2.4.90", ("MONOCHROME2", 1, 8, None)),
        ("I;16", "JPEG2000", {}, "image/jp2", "1.2.840.10008.1.2.4.90", ("MONOCHROME2", 1, 16, None)),
        ("RGB", "JPEG2000", {"mct": 1}, "image/jp2", "1.2.840.10008.1.2.4.90", ("YBR_RCT", 3, 8, None)),
        (
            "RGB",
            "JPEG2000",
            {"irreversible": True, "mct": 1},
            "image/jp2",
            "1.2.840.10008.1.2.4.91",
            ("YBR_ICT", 3, 8, "01"),
        ),
    ],
)
def test_compressed_images_are_kept_as_they_came(
    world: Storing, image: str, name: str, options: Any, kind: str, syntax: str, expected: Any
) -> None:
    sent = file(picture(image), name, **options)
    answer = post(world, described(metadata(t7FE00010=PIXELS)), part(sent, kind, "bulk/pixels"))
    assert answer.status_code == 200, answer.text
    ds = stored(world)
    assert ds.file_meta.TransferSyntaxUID == syntax
    assert (ds.Rows, ds.Columns) == (24, 40)
    found = (ds.PhotometricInterpretation, ds.SamplesPerPixel, ds.BitsStored)
    assert (*found, ds.get("LossyImageCompression")) == expected
    (frame,) = generate_frames(ds.PixelData, number_of_frames=1)
    assert frame.rstrip(b"\0") in sent + b"\0" and len(frame) > 100
    assert frame[:2] in (b"\xff\xd8", b"\xff\x4f")


def test_several_frames(world: Storing) -> None:
    frames = [file(picture("L").rotate(90 * n), "JPEG") for n in range(3)]
    parts = [
        part(frame, "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50", "bulk/pixels") for frame in frames
    ]
    assert post(world, described(metadata(t7FE00010=PIXELS)), *parts).status_code == 200
    ds = stored(world)
    assert ds.NumberOfFrames == 3
    found = list(generate_frames(ds.PixelData, number_of_frames=3))
    assert [frame[: len(sent)] for frame, sent in zip(found, frames, strict=True)] == frames


@pytest.mark.parametrize(
    ("kind", "syntax"),
    [
        ("image/dicom-rle", "1.2.840.10008.1.2.5"),
        ("image/dicom-rle; transfer-syntax=1.2.840.10008.1.2.5", "1.2.840.10008.1.2.5"),
        ("image/jxl; transfer-syntax=1.2.840.10008.1.2.4.111", "1.2.840.10008.1.2.4.111"),
    ],
)
def test_frames_without_a_header_that_is_known(world: Storing, kind: str, syntax: str) -> None:
    frames = [bytes([n]) * 64 for n in range(3)]
    given = metadata(t7FE00010=PIXELS, t00280008={"vr": "IS", "Value": [3]})
    parts = [part(frame, kind, "bulk/pixels") for frame in frames]
    assert post(world, described(given), *parts).status_code == 200
    ds = stored(world)
    assert ds.file_meta.TransferSyntaxUID == syntax
    assert list(generate_frames(ds.PixelData, number_of_frames=3)) == frames


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("L", ("MONOCHROME2", 1, 8)), ("RGB", ("RGB", 3, 8)), ("I;16", ("MONOCHROME2", 1, 16))],
)
def test_png_is_decoded(world: Storing, mode: str, expected: Any) -> None:
    image = picture(mode)
    answer = post(
        world, described(metadata(t7FE00010=PIXELS)), part(file(image, "PNG"), "image/png", "bulk/pixels")
    )
    assert answer.status_code == 200, answer.text
    ds = stored(world)
    assert (ds.PhotometricInterpretation, ds.SamplesPerPixel, ds.BitsAllocated) == expected
    assert np.array_equal(ds.pixel_array, np.asarray(image))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_what_a_png_becomes_is_known_before_it_is_decoded(mode: str) -> None:
    data = file(Image.new(mode, (40, 24)), "PNG")
    decoded = decode_png(data)
    assert png_image(data) == decoded.image
    shape = decoded.image
    assert len(decoded.data) == 40 * 24 * shape.samples_per_pixel * shape.bits_allocated // 8


def test_a_damaged_png_among_the_frames_leaves_nothing(world: Storing) -> None:
    whole = file(picture("L"), "PNG")
    frames = [part(data, "image/png", "bulk/pixels") for data in (whole, whole[:200], whole)]
    assert post(world, described(metadata(t7FE00010=PIXELS)), *frames).status_code == 409
    assert world.instances() == 0 and world.spool_empties()


def test_what_pngs_become_in_memory_is_bounded(world: Storing, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty one of 64 MiB is sent as 64 KiB."""
    monkeypatch.setattr("dicomweb.store.completion.MAX_DECODED", 2 * 40 * 24)
    frame = part(file(Image.new("L", (40, 24)), "PNG"), "image/png", "bulk/pixels")
    given = described(metadata(t7FE00010=PIXELS))
    assert post(world, given, *[frame] * 3).status_code == 413
    assert world.instances() == 0
    assert post(world, given, *[frame] * 2).status_code == 200
    assert stored(world).NumberOfFrames == 2


def test_what_the_metadata_says_is_believed(world: Storing) -> None:
    given = metadata(t7FE00010=PIXELS, t00280004={"vr": "CS", "Value": ["MONOCHROME1"]})
    post(world, described(given), part(file(picture("L"), "JPEG"), "image/jpeg", "bulk/pixels"))
    assert stored(world).PhotometricInterpretation == "MONOCHROME1"


def test_a_pdf(world: Storing) -> None:
    document = b"%PDF-1.4 odd"[:11]
    given = metadata(sop_class="1.2.840.10008.5.1.4.1.1.104.1", t00420011={"vr": "OB", "BulkDataURI": "doc"})
    assert post(world, described(given), part(document, "application/pdf", "doc")).status_code == 200
    ds = stored(world)
    assert ds.EncapsulatedDocument == document + b"\0" and ds.EncapsulatedDocumentLength == len(document)
    assert ds.MIMETypeOfEncapsulatedDocument == "application/pdf"


def box(kind: bytes, *content: bytes) -> bytes:
    data = b"".join(content)
    return struct.pack(">L", len(data) + 8) + kind + data


def mp4() -> bytes:
    entry = box(b"avc1", bytes(24), struct.pack(">HH", 640, 480), bytes(50))
    table = box(
        b"stbl",
        box(b"stsd", bytes(4), struct.pack(">L", 1), entry),
        box(b"stsz", bytes(8), struct.pack(">L", 50)),
    )
    media = box(
        b"mdia", box(b"mdhd", bytes(12), struct.pack(">LL", 1000, 2000), bytes(4)), box(b"minf", table)
    )
    sound = box(
        b"trak", box(b"mdia", box(b"minf", box(b"stbl", box(b"stsd", bytes(8), box(b"mp4a", bytes(30))))))
    )
    return box(b"ftyp", b"isom") + box(b"mdat", bytes(3000)) + box(b"moov", sound, box(b"trak", media))


def test_a_video(world: Storing) -> None:
    given = metadata(sop_class="1.2.840.10008.5.1.4.1.1.77.1.4.1", t7FE00010=PIXELS)
    answer = post(world, described(given), part(mp4(), "video/mp4", "bulk/pixels"))
    assert answer.status_code == 200, answer.text
    ds = stored(world)
    assert ds.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.102"
    assert (ds.Rows, ds.Columns, ds.NumberOfFrames, ds.FrameTime) == (480, 640, 50, 40)
    assert next(generate_frames(ds.PixelData, number_of_frames=1)) == mp4()


def test_bulk_data_within_sequences(world: Storing) -> None:
    waveform = {"vr": "SQ", "Value": [{"54001010": {"vr": "OW", "BulkDataURI": "wave"}}]}
    answer = post(
        world, described(metadata(t54000100=waveform)), part(b"1234", "application/octet-stream", "wave")
    )
    assert answer.status_code == 200
    assert stored(world).WaveformSequence[0].WaveformData == b"1234"


def test_xml(world: Storing) -> None:
    first, second = (metadata(f"1.2.3.1.{n}", t7FE00010=PIXELS) for n in (1, 2))
    parts = (
        part(to_xml(first), XML),
        part(to_xml(second), XML),
        part(b"12", "application/octet-stream", "bulk/pixels"),
    )
    assert post(world, *parts, root=XML).status_code == 200
    assert [stored(world, f"1.2.3.1.{n}").PixelData for n in (1, 2)] == [b"12", b"12"]


@pytest.mark.parametrize("kind", [JSON, XML])
def test_a_byte_order_mark_before_metadata(world: Storing, kind: str) -> None:
    """As .NET's writers of UTF-8 put it (RFC 8259 §8.1 lets a reader ignore it)."""
    text = to_xml(metadata()) if kind == XML else orjson.dumps([metadata()])
    assert post(world, part(b"\xef\xbb\xbf" + text, kind), root=kind).status_code == 200
    assert stored(world).Modality == "OT"


def test_the_answer_in_xml(world: Storing) -> None:
    answer = world.client.post(
        STUDIES, content=b"noise", headers={"Content-Type": "application/dicom", "Accept": XML}
    )
    assert answer.status_code == 409 and answer.headers["content-type"] == XML
    assert b'tag="0008119A"' in answer.content and b'<Value number="1">49152</Value>' in answer.content


def test_each_instance_stands_for_itself(world: Storing) -> None:
    lost = metadata("1.2.3.1.2", t7FE00010={"vr": "OW", "BulkDataURI": "nowhere"})
    nameless = metadata()
    del nameless["00080018"]
    wrong = metadata("1.2.3.1.3") | {"0020000D": {"vr": "UI", "Value": ["1.2.4"]}}
    answer = post(world, described(metadata(), lost, nameless, wrong), path="/1.2.3")
    assert answer.status_code == 202
    report = answer.json()
    assert [item["00081155"]["Value"] for item in report[REFERENCED]["Value"]] == [["1.2.3.1.1"]]
    assert [item["00081155"]["Value"] for item in report[FAILED]["Value"]] == [["1.2.3.1.2"], ["1.2.3.1.3"]]
    assert [item["00081197"]["Value"] for item in report[FAILED]["Value"]] == [[0xC000], [0xA900]]
    assert len(report[OTHER]["Value"]) == 1
    assert world.instances() == 1 and world.spool_empties()


@pytest.mark.parametrize(
    ("parts", "root"),
    [
        ([part(b"{", JSON)], JSON),
        ([part(b"[1]", JSON)], JSON),
        ([part(b"[]", JSON)], JSON),
        ([part(b"<a/>", XML)], XML),
        ([part(b"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", XML)], XML),
        ([part(b"x", "image/jpeg", "somewhere")], JSON),
    ],
)
def test_unreadable_metadata_is_a_bad_request(world: Storing, parts: list[Part], root: str) -> None:
    assert post(world, *parts, root=root).status_code == 400
    assert world.spool_empties()


@pytest.mark.parametrize(
    "kind", ["image/jpeg", "image/jp2", "image/png", "video/mp4", "image/unknown", "video/x"]
)
@pytest.mark.parametrize(
    "damage", [b"", b"noise", b"\xff\xd8\xff\xda", b"\xff\x4f\xff\x51\0\0", b"\x89PNG\r\n\x1a\n"]
)
def test_damaged_pixels_fail_alone(world: Storing, kind: str, damage: bytes) -> None:
    answer = post(
        world, described(metadata(t7FE00010=PIXELS), metadata("1.2.3.1.2")), part(damage, kind, "bulk/pixels")
    )
    assert answer.status_code == 202 and len(answer.json()[FAILED]["Value"]) == 1


FILES = [file(picture("RGB"), "JPEG"), file(picture("L"), "JPEG2000"), file(picture("L"), "PNG"), mp4()]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(list(zip(("image/jpeg", "image/jp2", "image/png", "video/mp4"), FILES, strict=True))),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    st.integers(0, 4000),
)
def test_damaged_files_are_stored_or_refused(
    world: Storing, file: tuple[str, bytes], changes: list[tuple[int, int]], cut: int
) -> None:
    kind, data = file[0], bytearray(file[1][:cut])
    for place, value in changes:
        data[place : place + 1] = bytes([value])
    answer = post(world, described(metadata(t7FE00010=PIXELS)), part(bytes(data), kind, "bulk/pixels"))
    assert answer.status_code in (200, 202, 409, 413), answer.text  # a forged size may be too large
