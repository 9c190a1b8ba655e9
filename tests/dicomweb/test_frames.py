"""Retrieve Frames (PS3.18 §10.4.1.1.6): which frames, in which encoding, in which envelope."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.pixels import get_encoder
from pydicom.uid import (
    MPEG4HP41,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from dicomweb.frames import frame_list
from pacs import archive
from pacs.dicom.image import ImagePixel
from pacs.dicom.transfer_syntaxes import ENCAPSULATED_UNCOMPRESSED
from pacs.errors import BadInput, LimitExceeded
from pacs.pixels.decode import decode
from pacs.pixels.transcode import encode_frame
from tests.dicomweb.retrieving import World, image, parts, path_to

OCTETS = 'multipart/related; type="application/octet-stream"'
OHIF = "multipart/related; type=application/octet-stream; transfer-syntax=*"
FRAMES = [bytes([n] * 24) for n in range(5)]


def frames_of(world: World, syntax: str = ExplicitVRLittleEndian, **changes: Any) -> str:
    frames = changes.pop("frames", FRAMES)
    return f"{path_to(world.store(image(1, syntax, frames, **changes)).identity)}/frames"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1", [1]),
        ("1,3,2", [1, 3, 2]),
        ("2,2", [2, 2]),
        ("2-4", [2, 3, 4]),
        ("4,1-2, 1", [4, 1, 2, 1]),
        ("007", [7]),
    ],
)
def test_lists(text: str, numbers: list[int]) -> None:
    assert frame_list(text) == numbers


@pytest.mark.parametrize(
    "text", ["0", "1,0", "-1", "", "1,", "a", "1;2", "3-1", "0-2", "1.5", "٣", "1e3", "+1"]
)
def test_no_lists(text: str) -> None:
    with pytest.raises(BadInput):
        frame_list(text)


def test_lists_have_a_bound() -> None:
    with pytest.raises(LimitExceeded):
        frame_list("1-999999999")


@pytest.mark.parametrize("accept", [OCTETS, OHIF, "application/octet-stream"])
def test_what_is_sent_as_stored_has_a_strong_entity_tag(world: World, accept: str) -> None:
    frames = frames_of(world)
    first = world.get(f"{frames}/1", accept)
    tag = first.headers["etag"]
    assert tag.startswith('"') and first.headers["cache-control"] == "private, no-cache"
    assert first.headers["vary"] == "Accept"
    same = world.get(f"{frames}/1", accept)
    assert (same.headers["etag"], same.content) == (tag, first.content)
    known = world.get(f"{frames}/1", accept, **{"if-none-match": f'"x", {tag}'})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)
    others = [
        world.get(f"{frames}/2", accept),
        world.get(f"{frames}/1,2", OCTETS),
        world.get(f"{frames}/1", accept, host="pacs.example"),
    ]
    assert tag not in [each.headers["etag"] for each in others]
    assert len(world.audited()) == 1  # of one caller's views of a study at a time


@pytest.mark.parametrize("asked", ["1", "1,3,2", "5,5,1", "2-4"])
def test_those_asked_for_in_that_order(world: World, asked: str) -> None:
    """Case A26."""
    answer = world.get(f"{frames_of(world)}/{asked}", OCTETS)
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content)
    found = parts(answer)
    assert [body for _, body in found] == [FRAMES[n - 1] for n in frame_list(asked)]
    assert [head["content-location"].rpartition("/")[2] for head, _ in found] == [
        str(n) for n in frame_list(asked)
    ]


@pytest.mark.parametrize(
    ("asked", "status"), [("6", 404), ("1,6", 404), ("0", 400), ("x", 400), ("1,,2", 400)]
)
def test_those_that_are_not_there(world: World, asked: str, status: int) -> None:
    assert world.get(f"{frames_of(world)}/{asked}", OCTETS).status_code == status


@pytest.mark.parametrize("accept", [None, "*/*", OCTETS, OHIF])
@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        ENCAPSULATED_UNCOMPRESSED,
    ],
)
def test_uncompressed_frames_are_little_endian(world: World, syntax: str, accept: str | None) -> None:
    """Case A22. PS3.18 §8.7.3: implicit VR and big endian are not for the web."""
    ((head, body),) = parts(world.get(f"{frames_of(world, syntax)}/2", accept))
    assert head["content-type"] == f"application/octet-stream; transfer-syntax={ExplicitVRLittleEndian}"
    assert body == FRAMES[1]


@pytest.mark.parametrize("columns", [6, 5])
def test_words_are_swapped(world: World, columns: int) -> None:
    little = [bytes(range(n, n + 4 * columns * 2)) for n in (0, 100)]
    big = [b"".join(frame[i : i + 2][::-1] for i in range(0, len(frame), 2)) for frame in little]
    path = frames_of(world, ExplicitVRBigEndian, frames=big, Columns=columns, BitsAllocated=16, BitsStored=16)
    assert [body for _, body in parts(world.get(f"{path}/2,1"))] == [little[1], little[0]]


def test_bytes_in_big_endian_words_are_swapped_across_frames(world: World) -> None:
    """Eight bits in OW: a frame of odd length ends within a word."""
    stream = bytes(range(46))
    swapped = b"".join(stream[i : i + 2][::-1] for i in range(0, 46, 2))
    layout = {"Rows": 3, "Columns": 5, "NumberOfFrames": 3, "words": True}
    path = frames_of(world, ExplicitVRBigEndian, frames=[swapped], **layout)
    bodies = [body for _, body in parts(world.get(f"{path}/1-3"))]
    assert bodies == [stream[:15], stream[15:30], stream[30:45]]


def test_single_bits_begin_on_a_byte(world: World) -> None:
    """3 by 3 pixels of one bit: nine bits a frame, packed without gaps (PS3.5 §8.1.1)."""
    bits = [0b101010101, 0b111111111, 0b000000001]
    packed = sum(frame << 9 * n for n, frame in enumerate(bits)).to_bytes(4, "little")
    path = frames_of(
        world,
        frames=[packed],
        Rows=3,
        Columns=3,
        BitsAllocated=1,
        BitsStored=1,
        HighBit=0,
        NumberOfFrames=3,
    )
    answer = world.get(f"{path}/1-3")
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert [int.from_bytes(body, "little") for _, body in parts(answer)] == bits


def _jpeg(value: int) -> bytes:
    return encode_frame(JPEGBaseline8Bit, ImagePixel(8, 8, 8, 8), bytes([value] * 64))


JPEGS = [_jpeg(value) for value in (10, 200)]


def jpegs(world: World) -> str:
    return frames_of(world, JPEGBaseline8Bit, frames=JPEGS, Rows=8, Columns=8)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (OHIF, "application/octet-stream"),
        ('multipart/related; type="image/jpeg"', "image/jpeg"),
        (f'multipart/related; type="image/jpeg"; transfer-syntax={JPEGBaseline8Bit}', "image/jpeg"),
        ("multipart/related; transfer-syntax=*", "image/jpeg"),
        ('multipart/related; type="image/dicom+jpeg"', "image/jpeg"),
        ('multipart/related; type="image/jls", multipart/related; type="image/jpeg";q=0.5', "image/jpeg"),
    ],
)
def test_compressed_frames_as_stored_say_what_they_are(world: World, accept: str, kind: str) -> None:
    found = parts(world.get(f"{jpegs(world)}/2,1", accept))
    for (head, body), stored in zip(found, reversed(JPEGS), strict=True):
        assert head["content-type"] == f"{kind}; transfer-syntax={JPEGBaseline8Bit}"
        assert body == stored + bytes(len(stored) % 2)  # encapsulation pads


@pytest.mark.parametrize("accept", [None, OCTETS, f"{OCTETS}; transfer-syntax={ExplicitVRLittleEndian}"])
def test_compressed_frames_are_decoded_for_callers_that_accept_nothing_else(
    world: World, accept: str | None
) -> None:
    found = parts(world.get(f"{jpegs(world)}/1,2", accept))
    assert [head["content-type"] for head, _ in found] == [
        f"application/octet-stream; transfer-syntax={ExplicitVRLittleEndian}"
    ] * 2
    assert [body[0] for _, body in found] == [10, 200]


@pytest.mark.parametrize("accept", [OHIF, "application/octet-stream"])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian, JPEG2000Lossless])
def test_what_is_sent_as_stored_comes_in_ranges(world: World, syntax: str, accept: str) -> None:
    """As viewers ask for HTJ2K, layer by layer."""
    frame = f"{frames_of(world, syntax)}/2"
    accept += "; transfer-syntax=*" if accept != OHIF else ""
    whole = world.get(frame, accept)
    assert whole.headers["accept-ranges"] == "bytes"
    size, pieces = len(whole.content), b""
    for start in range(0, size, 10):
        part = world.get(
            frame, accept, range=f"bytes={start}-{start + 9}", **{"if-range": whole.headers["etag"]}
        )
        assert part.status_code == 206
        assert part.headers["content-range"] == f"bytes {start}-{min(start + 10, size) - 1}/{size}"
        assert part.headers["content-type"] == whole.headers["content-type"]
        assert int(part.headers["content-length"]) == len(part.content)
        pieces += part.content
    assert pieces == whole.content
    assert world.get(frame, accept, range=f"bytes={size}-").status_code == 416
    changed = world.get(frame, accept, range="bytes=0-9", **{"if-range": '"other"'})
    assert (changed.status_code, changed.content) == (200, whole.content)


def test_what_is_decoded_first_comes_whole(world: World) -> None:
    encoded = encode_frame(JPEG2000Lossless, ImagePixel(32, 32, 8, 8), bytes(1024))
    frames = frames_of(world, JPEG2000Lossless, frames=[encoded], Rows=32, Columns=32)
    answer = world.get(f"{frames}/1", OCTETS, range="bytes=0-9")
    assert answer.status_code == 200
    assert "accept-ranges" not in answer.headers


def test_one_frame_alone(world: World) -> None:
    path = jpegs(world)
    answer = world.get(f"{path}/2", "image/jpeg")
    assert answer.headers["content-type"] == f"image/jpeg; transfer-syntax={JPEGBaseline8Bit}"
    assert answer.content.rstrip(b"\0") == JPEGS[1]
    assert world.get(f"{path}/1,2", "image/jpeg").status_code == 406
    assert world.get(f"{path}/1", "application/octet-stream").content == bytes([10] * 64)


def test_what_is_there_is_named_when_nothing_suits(world: World) -> None:
    answer = world.get(f"{jpegs(world)}/1", "image/webp")
    assert answer.status_code == 406
    assert f'type="image/jpeg"; transfer-syntax={JPEGBaseline8Bit}' in answer.json()["message"]


def test_video_is_one_frame(world: World) -> None:
    path = frames_of(world, MPEG4HP41, frames=[b"the video"], NumberOfFrames=50)
    assert world.get(f"{path}/1", "video/mp4").content.rstrip(b"\0") == b"the video"
    assert world.get(f"{path}/1", OCTETS).status_code == 406
    answer = world.get(f"{path}/2", "video/mp4")
    assert (answer.status_code, "1 frame" in answer.json()["message"]) == (404, True)


@pytest.mark.parametrize("rest", ["/frames/2", "/bulkdata/7FE00010"])
def test_other_bytes_than_were_stored_are_nobodys_frame(world: World, rest: str) -> None:
    path = frames_of(world).removesuffix("/frames")
    (blob,) = (file for file in world.folder.rglob("*") if file.is_file() and file.stat().st_size > 300)
    kept = blob.read_bytes()
    blob.write_bytes(kept.replace(FRAMES[1], bytes([7] * 24)))
    answer = world.get(path + rest)
    assert (answer.status_code, answer.json()["code"]) == (500, "INTEGRITY")
    blob.write_bytes(kept)
    assert FRAMES[1] in world.get(path + rest).content


@pytest.mark.parametrize(("frames", "status"), [(FRAMES, 200), (FRAMES[1:2], 500)])
def test_a_large_object_is_not_read_whole_for_one_of_many_frames(
    world: World, monkeypatch: pytest.MonkeyPatch, frames: list[bytes], status: int
) -> None:
    monkeypatch.setattr(archive, "VERIFY_UP_TO", 0)
    path = frames_of(world, frames=frames)
    (blob,) = (file for file in world.folder.rglob("*") if file.is_file() and file.stat().st_size > 300)
    blob.write_bytes(blob.read_bytes().replace(FRAMES[1], bytes([7] * 24)))
    assert world.get(f"{path}/1").status_code == status


def test_a_damaged_frame_fails_alone(world: World) -> None:
    good = get_encoder(RLELossless).encode(
        bytes(range(24)),
        rows=4,
        columns=6,
        samples_per_pixel=1,
        number_of_frames=1,
        bits_allocated=8,
        bits_stored=8,
        pixel_representation=0,
        photometric_interpretation="MONOCHROME2",
    )
    path = frames_of(world, RLELossless, frames=[good, b"damaged!"])
    decoded = world.get(f"{path}/1")
    assert parts(decoded)[0][1] == bytes(range(24))
    assert "etag" not in decoded.headers  # another version of the decoder may make other bytes of it
    refused = world.get(f"{path}/2")
    assert (refused.status_code, refused.json()["code"]) == (406, "NOT_CONVERTIBLE")
    assert parts(world.get(f"{path}/2", OHIF))[0][1] == b"damaged!"


def test_what_has_no_pixels_has_no_frames(world: World) -> None:
    path = frames_of(world, frames=[b""])
    assert world.get(f"{path}/1").status_code == 404


def test_another_organisations_frames_are_not_there(world: World) -> None:
    path = frames_of(world)
    assert world.get(f"{path}/1", OCTETS, **{"X-Theirs": "1"}).status_code == 404
    assert (
        world.get(f"{path}/99", OCTETS, **{"X-Theirs": "1"}).json()["message"]
        == world.get(f"{path}/1".replace("1.2.3.1/", "1.2.3.9/"), OCTETS).json()["message"]
    )


def test_many_frames_in_one_request(world: World) -> None:
    many = [n.to_bytes(2, "little") * 12 for n in range(2000)]
    path = frames_of(world, frames=many)
    assert [body for _, body in parts(world.get(f"{path}/1-2000", OCTETS))] == many


def test_looking_at_a_study_is_audited_once_a_minute(world: World) -> None:
    path = frames_of(world)
    for asked in ("1", "2", "1,2"):
        world.get(f"{path}/{asked}")
    (record,) = world.audited()
    assert (record["actor_name"], record["resource"]) == ("reader", "1.2.3.1")
    for number in ("a", "b", "b"):
        world.get(f"{path}/1", **{"X-Correlation-ID": number})
    assert len(world.audited()) == 3


SQUARE = ImagePixel(64, 64, 8, 8)
SQUARES = [bytes([value] * 64 * 64) for value in (10, 200)]


def test_frames_are_compressed_on_request(world: World) -> None:
    """Lossless as the default of its type; lossy only for who names that syntax."""
    path = frames_of(world, frames=SQUARES, Rows=64, Columns=64)
    answer = world.get(f"{path}/2", "image/jp2")
    assert answer.headers["content-type"] == f"image/jp2; transfer-syntax={JPEG2000Lossless}"
    assert decode(JPEG2000Lossless, SQUARE, answer.content).data == SQUARES[1]
    assert world.get(f"{path}/2", "image/jpeg").status_code == 406
    answer = world.get(f"{path}/2", f"image/jpeg; transfer-syntax={JPEGBaseline8Bit}")
    assert decode(JPEGBaseline8Bit, SQUARE, answer.content).data == SQUARES[1]


def test_a_compressed_frame_is_compressed_anew(world: World) -> None:
    stored = [encode_frame(JPEGBaseline8Bit, SQUARE, square) for square in SQUARES]
    path = frames_of(world, JPEGBaseline8Bit, frames=stored, Rows=64, Columns=64)
    found = parts(world.get(f"{path}/1,2", 'multipart/related; type="image/jp2"'))
    assert [decode(JPEG2000Lossless, SQUARE, body).data for _, body in found] == SQUARES
