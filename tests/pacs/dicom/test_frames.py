from __future__ import annotations

import struct
import zlib

import pytest
from pydicom.encaps import encapsulate, encapsulate_extended

from pacs.dicom.frames import FrameIndex, frame_index
from pacs.dicom.reader import read_header
from pacs.dicom.source import BytesSource
from tests.pacs.dicom.build import (
    BIG,
    CLASS,
    DEFLATED,
    EXPLICIT,
    ITEM,
    SEQUENCE_END,
    UNDEFINED,
    bare,
    long,
    short,
)

JPEG = "1.2.840.10008.1.2.4.50"
MPEG2 = "1.2.840.10008.1.2.4.100"
PIXEL_DATA = 0x7FE00010


def us(tag: int, number: int) -> bytes:
    return short(tag, "US", struct.pack("<H", number))


def image(
    pixels: bytes, frames: int | None = 1, bits: int = 8, columns: int = 4, samples: int = 1, colour: str = ""
) -> bytes:
    """2 rows; `pixels` is the whole pixel data element."""
    number = b"" if frames is None else short(0x00280008, "IS", f"{frames:<4}".encode())
    return (
        CLASS + us(0x00280002, samples) + short(0x00280004, "CS", colour.encode()) + number
        + us(0x00280010, 2) + us(0x00280011, columns) + us(0x00280100, bits) + pixels
    )  # fmt: skip


def frames(data: bytes, transfer_syntax: str = EXPLICIT) -> list[bytes] | None:
    """Every frame, read through an index that went through its bytes."""
    source = BytesSource(data)
    header = read_header(source, transfer_syntax)
    index = frame_index(header, source)
    if index is None:
        return None
    index = FrameIndex.from_bytes(index.to_bytes())
    assert index.inflated == (transfer_syntax == DEFLATED)
    with pytest.raises(IndexError):
        index.ranges(len(index))
    with pytest.raises(IndexError):
        index.ranges(-1)
    return [b"".join(header.source.read_at(*r) for r in index.ranges(i)) for i in range(len(index))]


PIXELS = bytes(range(48))

NATIVE = {
    "one frame": (image(long(PIXEL_DATA, "OW", PIXELS[:8])), [PIXELS[:8]]),
    "three": (image(long(PIXEL_DATA, "OW", PIXELS[:24]), 3), [PIXELS[:8], PIXELS[8:16], PIXELS[16:24]]),
    "no number of frames": (image(long(PIXEL_DATA, "OW", PIXELS[:8]), None), [PIXELS[:8]]),
    "16 bits": (image(long(PIXEL_DATA, "OW", PIXELS[:32]), 2, 16), [PIXELS[:16], PIXELS[16:32]]),
    "colour": (image(long(PIXEL_DATA, "OB", PIXELS), 2, samples=3), [PIXELS[:24], PIXELS[24:]]),
    "half the chroma": (
        image(long(PIXEL_DATA, "OB", PIXELS[:32]), 2, samples=3, colour="YBR_FULL_422"),
        [PIXELS[:16], PIXELS[16:32]],
    ),
    "float": (image(long(0x7FE00008, "OF", PIXELS[:32]), 1, 32), [PIXELS[:32]]),
    "double": (image(long(0x7FE00009, "OD", bytes(64)), 1, 64), [bytes(64)]),
    "padded": (image(long(PIXEL_DATA, "OW", PIXELS[:10]), 1), [PIXELS[:8]]),
    "the last frame cut off": (image(long(PIXEL_DATA, "OW", PIXELS[:20]), 3), [PIXELS[:8], PIXELS[8:16]]),
    "less than a frame": (image(long(PIXEL_DATA, "OW", PIXELS[:6])), [PIXELS[:6]]),
    "no geometry": (CLASS + long(PIXEL_DATA, "OW", PIXELS), [PIXELS]),
    "a forged number of frames": (image(long(PIXEL_DATA, "OW", PIXELS[:8]), 9999), [PIXELS[:8]]),
    "empty": (image(long(PIXEL_DATA, "OW")), None),
    "none": (CLASS, None),
}


@pytest.mark.parametrize(("data", "expected"), NATIVE.values(), ids=NATIVE.keys())
def test_native(data: bytes, expected: list[bytes] | None) -> None:
    assert frames(data) == expected


def test_one_bit_a_pixel_may_begin_inside_a_byte() -> None:
    source = BytesSource(image(long(PIXEL_DATA, "OB", b"\x01\x02\x03\x04"), 4, 1, columns=3))
    header = read_header(source, EXPLICIT)
    index = frame_index(header, source)
    assert index is not None and header.pixel_data is not None
    ranges = [index.ranges(i)[0] for i in range(4)]
    begin = header.pixel_data.offset
    assert [(offset - begin, length) for offset, length in ranges] == [(0, 1), (0, 2), (1, 2), (2, 1)]
    assert [index.bit_offset(i) for i in range(4)] == [0, 6, 4, 2]


def test_deflated() -> None:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = deflater.compress(NATIVE["three"][0]) + deflater.flush()
    assert frames(data, DEFLATED) == NATIVE["three"][1]


def test_big_endian() -> None:
    data = short(0x00080016, "UI", b"1.2\0", order=">") + long(PIXEL_DATA, "OW", PIXELS, order=">")
    assert frames(data, BIG) == [PIXELS]


def fragment(content: bytes, jpeg: bool = False) -> bytes:
    content = b"\xff\xd8\xff" + content + b"\xff\xd9" if jpeg else content
    return content + b"\0" * (len(content) % 2)


A, B, C = (fragment(letter * 9, True) for letter in (b"a", b"b", b"c"))
REST = fragment(b"\xff\xd8\xffno end")


def encapsulated(*fragments: bytes, table: bytes = b"", end: bytes = bare(SEQUENCE_END)) -> bytes:
    items = b"".join(bare(ITEM, each) for each in (table, *fragments))
    return long(PIXEL_DATA, "OB", items, UNDEFINED) + end


def basic(*offsets: int) -> bytes:
    return struct.pack(f"<{len(offsets)}L", *offsets)


STEP = len(A) + 8
ENCAPSULATED = {
    "one fragment": (encapsulated(A), 1, [A]),
    "one frame of three": (encapsulated(A, B, C), 1, [A + B + C]),
    "a fragment a frame": (encapsulated(A, B, C), 3, [A, B, C]),
    "basic table": (encapsulated(A, B, C, table=basic(0, 2 * STEP)), 2, [A + B, C]),
    "basic table beside the fragments": (encapsulated(A, B, C, table=basic(0, 7, 9)), 3, [A, B, C]),
    "basic table that does not begin at 0": (encapsulated(A, B, table=basic(8, STEP)), 2, [A, B]),
    "basic table that does not rise": (encapsulated(A, B, table=basic(0, 0)), 2, [A, B]),
    "basic table too short": (encapsulated(A, B, C, table=basic(0)), 3, [A, B, C]),
    "no table, by the ends": (encapsulated(A[:6], A[6:], B), 2, [A, B]),
    "no table, by the beginnings": (encapsulated(REST, b"more", C), 2, [REST + b"more", C]),
    "fewer fragments than frames": (encapsulated(A, B), 9, [A, B]),
    "an empty fragment at the end": (encapsulated(A, B, b""), 2, [A, B]),
    "no delimiter": (encapsulated(A, B, end=b""), 2, [A, B]),
    "no fragment": (encapsulated(), 1, [bare(ITEM)]),
}


@pytest.mark.parametrize(("pixels", "number", "expected"), ENCAPSULATED.values(), ids=ENCAPSULATED.keys())
def test_encapsulated(pixels: bytes, number: int, expected: list[bytes]) -> None:
    assert frames(image(pixels, number), JPEG) == expected


def test_a_video_is_one_stream() -> None:
    assert frames(image(encapsulated(A, B), 50), MPEG2) == [A + B]


@pytest.mark.parametrize("has_table", [True, False])
def test_what_pydicom_encapsulates(has_table: bool) -> None:
    contents = [bytes([number]) * (2 * number + 2) for number in range(20)]
    data = long(PIXEL_DATA, "OB", encapsulate(contents, has_bot=has_table), UNDEFINED)
    assert frames(image(data + bare(SEQUENCE_END), 20), JPEG) == contents


def test_an_extended_table_tells_the_lengths_without_padding() -> None:
    contents = [bytes([number]) * (number + 1) for number in range(20)]
    pixels, offsets, _ = encapsulate_extended(contents)
    lengths = struct.pack("<20Q", *map(len, contents))
    tables = long(0x7FE00001, "OV", offsets) + long(0x7FE00002, "OV", lengths)
    data = tables + long(PIXEL_DATA, "OB", pixels, UNDEFINED) + bare(SEQUENCE_END)
    assert frames(image(data, 20), JPEG) == contents


def test_pixels_of_an_icon_are_not_the_images() -> None:
    icon = long(0x00880200, "SQ", bare(ITEM, encapsulated(A), UNDEFINED) + bare(0xFFFEE00D), UNDEFINED)
    data = CLASS + icon + bare(SEQUENCE_END)
    assert frames(data, JPEG) is None
    assert read_header(BytesSource(data), JPEG).items(0x00880200)[0].pixel_data is not None


def test_an_index_is_small() -> None:
    contents = [bytes([number % 251]) * (2 * number % 3000 + 2) for number in range(1000)]
    data = long(PIXEL_DATA, "OB", encapsulate(contents), UNDEFINED) + bare(SEQUENCE_END)
    source = BytesSource(image(data, 1000))
    index = frame_index(read_header(source, JPEG), source)
    assert index is not None and len(index.to_bytes()) < 4 * 1000
    native = frame_index(read_header(BytesSource(NATIVE["three"][0]), EXPLICIT), source)
    assert native is not None and len(native.to_bytes()) == 25
