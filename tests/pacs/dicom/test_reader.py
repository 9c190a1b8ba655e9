"""What the loop makes of right and of wrong encodings, element by element."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest

from pacs.dicom import listing
from pacs.dicom.reader import Header, Limits, read_header
from pacs.dicom.source import BytesSource
from pacs.errors import InvalidDataSet, LimitExceeded
from tests.pacs.dicom.build import (
    BARE_CLASS,
    BIG,
    CLASS,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    ITEM,
    ITEM_END,
    NAME,
    SEQUENCE_END,
    UNDEFINED,
    bare,
    long,
    nested,
    short,
)

SEQUENCE = 0x00081140
CONTENT = short(0x00080100, "SH", b"CODE")


def read(data: bytes, transfer_syntax: str = EXPLICIT, limits: Limits | None = None) -> Header:
    return read_header(BytesSource(data), transfer_syntax, limits=limits or Limits())


@pytest.fixture(params=[64, listing.WINDOW], ids=["tiny window", "window"])
def any_window(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Headers that straddle the end of a window are read like all others."""
    monkeypatch.setattr(listing, "WINDOW", request.param)
    yield


def item(content: bytes, undefined: bool = False) -> bytes:
    if undefined:
        return bare(ITEM, length=UNDEFINED) + content + bare(ITEM_END)
    return bare(ITEM, content)


def sequence(content: bytes, undefined: bool = False, vr: str = "SQ", tag: int = SEQUENCE) -> bytes:
    if undefined:
        return long(tag, vr, length=UNDEFINED) + content + bare(SEQUENCE_END)
    return long(tag, vr, content)


BARE_ITEM = bare(ITEM, bare(0x00080100, b"CODE"))

ONE_ITEM = {
    "defined lengths": sequence(item(CONTENT)),
    "undefined lengths": sequence(item(CONTENT, True), True),
    "undefined sequence, defined item": sequence(item(CONTENT), True),
    "defined sequence, undefined item": sequence(item(CONTENT, True)),
    "a delimiter behind an item that has a length": sequence(item(CONTENT) + bare(ITEM_END), True),
    "a delimiter counted into the item's length": sequence(item(CONTENT + bare(ITEM_END))),
    "a sequence delimiter counted into the sequence's length": sequence(item(CONTENT) + bare(SEQUENCE_END)),
    "no item delimiter": long(SEQUENCE, "SQ", length=UNDEFINED)
    + bare(ITEM, length=UNDEFINED)
    + CONTENT
    + bare(SEQUENCE_END),
    "no sequence delimiter": long(SEQUENCE, "SQ", length=UNDEFINED) + item(CONTENT),
    "an item shorter than its last element": sequence(bare(ITEM, CONTENT, length=len(CONTENT) - 2)),
    "an item longer than its sequence": sequence(bare(ITEM, CONTENT, length=500)),
    "UN of undefined length, implicit inside (CP-246)": sequence(BARE_ITEM, True, "UN"),
    "UN of defined length, implicit inside": sequence(BARE_ITEM, vr="UN"),
    "SQ, but implicit inside": sequence(BARE_ITEM, True),
    "private UN of undefined length": sequence(BARE_ITEM, True, "UN", 0x00091001),
}


@pytest.mark.usefixtures("any_window")
@pytest.mark.parametrize("encoded", ONE_ITEM.values(), ids=ONE_ITEM.keys())
def test_a_sequence_of_one_item_and_what_follows(encoded: bytes) -> None:
    header = read(CLASS + encoded + NAME)
    tag = next(element.tag for element in header if element.vr == "SQ")
    assert [read_item.text("CodeValue") for read_item in header.items(tag)] == ["CODE"]
    assert header.text("PatientName") == "Doe^Jane"
    assert not header.truncated


@pytest.mark.usefixtures("any_window")
def test_many_items_across_windows() -> None:
    codes = [f"{number:04}".encode() for number in range(20_000)]
    header = read(CLASS + sequence(b"".join(item(short(0x00080100, "SH", code)) for code in codes)) + NAME)
    assert [i.text("CodeValue") for i in header.each_item(SEQUENCE)] == [c.decode() for c in codes]
    assert header.text("PatientName") == "Doe^Jane"


ODD = {
    "a VR to come, long form": long(0x00091001, "ZZ", b"1234"),
    "a VR to come, short form": short(0x00091001, "ZZ", b"1234"),
    "a VR of question marks": short(0x00091001, "??", b"1234"),
    "no VR at all": bare(0x00091001, b"1234"),
    "a stray item delimiter": bare(ITEM_END),
    "a stray sequence delimiter": bare(SEQUENCE_END),
    "a group length": short(0x00090000, "UL", b"\0\0\0\0"),
    "an odd length": short(0x00091001, "LO", b"odd"),
    "long and empty": long(0x00091001, "UT"),
}


@pytest.mark.usefixtures("any_window")
@pytest.mark.parametrize("encoded", ODD.values(), ids=ODD.keys())
def test_an_odd_element_does_not_hide_what_follows(encoded: bytes) -> None:
    header = read(CLASS + encoded + NAME)
    assert header.text("PatientName") == "Doe^Jane"
    assert header.text("SOPClassUID") == "1.2"
    assert not header.truncated


@pytest.mark.usefixtures("any_window")
@pytest.mark.parametrize("encoded", ODD.values(), ids=ODD.keys())
def test_an_odd_element_may_be_the_last(encoded: bytes) -> None:
    header = read(CLASS + encoded)
    assert header.text("SOPClassUID") == "1.2"
    assert not header.truncated


CUT = {
    "a value": NAME[:-3],
    "a huge value": long(0x7FE00010, "OW", b"1234", length=0xFFFFFFFE),
    "a huge sequence": long(SEQUENCE, "SQ", item(CONTENT), length=0xFFFFFFFE),
    "an open item": long(SEQUENCE, "SQ", length=UNDEFINED) + bare(ITEM, length=UNDEFINED) + CONTENT,
    "a fragment": long(0x7FE00010, "OB", length=UNDEFINED) + bare(ITEM) + bare(ITEM, b"1234", length=4000),
    "undefined without items": long(0x00420011, "OB", b"12345678", length=UNDEFINED),
}


@pytest.mark.parametrize("end", CUT.values(), ids=CUT.keys())
def test_a_stream_that_ends_too_early_says_so_and_keeps_what_is_there(end: bytes) -> None:
    header = read(CLASS + end)
    assert header.truncated
    assert header.text("SOPClassUID") == "1.2"
    assert all(element.offset + element.length <= header.source.size for element in header)


def test_trailing_padding_is_no_element() -> None:
    header = read(CLASS + NAME + b"\0" * 7)
    assert (len(header), header.truncated) == (2, False)


@pytest.mark.parametrize(
    ("vr", "text"), [("LO", "A1\\B 2"), ("SH", "A1\\B 2"), ("PN", " A1\\ B 2"), ("LT", "  A1 \\ B 2")]
)
def test_spaces_around_a_value_are_padding_where_its_vr_has_them(vr: str, text: str) -> None:
    """PS3.5 §6.2; a Patient ID with a space in front could not be found by what people see."""
    assert (
        read(CLASS + short(0x00100020, vr, b"  A1 \\ B 2 " if vr == "LT" else b" A1 \\ B 2 ")).text(
            0x00100020
        )
        == text
    )


@pytest.mark.parametrize("data", [b"", b"\0", b"1234567"])
def test_nothing_is_no_data_set(data: bytes) -> None:
    with pytest.raises(InvalidDataSet):
        read(data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (CLASS + NAME, IMPLICIT),
        (BARE_CLASS + bare(0x00100010, b"Doe^Jane"), EXPLICIT),
        (
            short(0x00080016, "UI", b"1.2\0", order=">") + short(0x00100010, "PN", b"Doe^Jane", order=">"),
            EXPLICIT,
        ),
        (CLASS + NAME, BIG),
    ],
)
def test_a_transfer_syntax_that_the_first_element_contradicts(data: bytes, said: str) -> None:
    assert read(data, said).text("PatientName") == "Doe^Jane"


def test_the_last_of_two_equal_tags_counts() -> None:
    header = read(CLASS + NAME + short(0x00100010, "PN", b"Roe^Jane"))
    assert header.text("PatientName") == "Roe^Jane"
    assert len(header) == 2


def test_un_as_what_it_is_known_to_be() -> None:
    creator = short(0x00190010, "LO", b"GEMS_ACQU_01")
    data = long(0x00080018, "UN", b"1.2\0") + creator + long(0x0019100F, "UN", b"1.5 ") + NAME
    header = read(CLASS + data)
    assert header.text("SOPInstanceUID") == "1.2"
    element = header.element(0x0019100F)
    assert element is not None and (element.vr, header.values(element.tag)) == ("DS", [1.5])


def test_private_elements_in_implicit_vr_by_their_creator() -> None:
    data = bare(0x00190010, b"GEMS_ACQU_01") + bare(0x0019100F, b"1.5 ") + bare(0x00191199, b"1.5 ")
    header = read(BARE_CLASS + data, IMPLICIT)
    assert [element.vr for element in header] == ["UI", "LO", "DS", "UN"]


@pytest.mark.parametrize(("representation", "expected"), [(b"\0\0", "65535"), (b"\1\0", "-1")])
def test_us_or_ss_by_pixel_representation_also_inside_items(representation: bytes, expected: str) -> None:
    smallest = bare(0x00280106, b"\xff\xff")
    data = bare(0x00081140, bare(ITEM, smallest)) + bare(0x00280103, representation) + smallest
    header = read(BARE_CLASS + data, IMPLICIT)
    assert header.text("SmallestImagePixelValue") == expected
    assert header.items(0x00081140)[0].text("SmallestImagePixelValue") == expected


def test_an_item_inherits_the_character_set_or_has_its_own() -> None:
    name = "Müller".encode("latin-1")
    inherited = item(short(0x00100010, "PN", name))
    own = item(short(0x00080005, "CS", b"ISO_IR 144 ") + short(0x00100010, "PN", "Ия".encode("iso8859_5")))
    header = read(short(0x00080005, "CS", b"ISO_IR 100") + sequence(inherited + own))
    assert [i.text("PatientName") for i in header.items(SEQUENCE)] == ["Müller", "Ия"]
    assert header.charsets == ("ISO_IR 100",)


def test_values_of_every_kind() -> None:
    data = (
        short(0x00080008, "CS", b"ORIGINAL\\PRIMARY \\ ")
        + short(0x00080054, "AE", b" STATION ")
        + short(0x00180050, "DS", b" 1.50 ")
        + short(0x00200013, "IS", b"+7\\x ")
        + short(0x00280009, "AT", bytes.fromhex("1800 6310"))
        + short(0x00280010, "US", b"\x00\x02")
        + short(0x00186020, "SL", b"\xff\xff\xff\xff")
        + long(0x7FE00010, "OW", b"1234")
    )
    header = read(CLASS + data)
    assert header.text("ImageType") == "ORIGINAL\\PRIMARY\\"
    assert header.text("RetrieveAETitle") == "STATION"
    assert (header.text("SliceThickness"), header.values("SliceThickness")) == ("1.50", [1.5])
    assert header.values("InstanceNumber") == [7, "x"]
    assert header.text("FrameIncrementPointer") == "00181063"
    assert (header.text("Rows"), header.values("Rows")) == ("512", [512])
    assert header.values(0x00186020) == [-1]
    assert (header.text("PixelData"), header.values("PixelData"), header.raw("PixelData")) == (
        None,
        [],
        b"1234",
    )
    assert (header.text("PatientID"), header.raw("PatientID"), header.items("PatientID")) == (None, None, [])
    assert "Rows" in header and "PatientID" not in header


@pytest.mark.parametrize("explicit", [True, False])
@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("depth", [129, 300, 2_000, 100_000])
def test_nesting_has_a_bound(depth: int, explicit: bool, undefined: bool) -> None:
    first = CLASS if explicit else BARE_CLASS
    with pytest.raises(LimitExceeded):
        read(first + nested(depth, explicit, undefined), EXPLICIT if explicit else IMPLICIT)


@pytest.mark.parametrize("undefined", [True, False])
def test_nesting_up_to_the_bound(undefined: bool) -> None:
    level = read(CLASS + nested(128, True, undefined))
    assert not level.truncated
    for _ in range(128):
        (level,) = level.items(0x0040A730)
    assert len(level) == 0


LIMITS = {
    "elements": (Limits(elements=10_000), b"".join(short(n, "LO") for n in range(0x00090000, 0x0009A000))),
    "width": (Limits(width=100), b"".join(short(n, "LO") for n in range(0x00090000, 0x00090100))),
    "items": (Limits(elements=10_000), sequence(bare(ITEM) * 50_000)),
    "header": (Limits(header_bytes=100_000), short(0x00400280, "ST", bytes(50_000)) * 5),
    "encapsulated values": (
        Limits(fragments=10_000),
        (long(0x00420011, "OB", length=UNDEFINED) + bare(SEQUENCE_END)) * 500,
    ),
    "private creators": (
        Limits(width=100),
        b"".join(short(n << 16 | 0x10, "LO", b"A ") for n in range(9, 60_000, 2)),
    ),
    "fragments": (Limits(fragments=199), long(0x7FE00010, "OB", bare(ITEM) * 200, UNDEFINED)),
}


@pytest.mark.parametrize(("limits", "data"), LIMITS.values(), ids=LIMITS.keys())
def test_limits(limits: Limits, data: bytes) -> None:
    with pytest.raises(LimitExceeded):
        read(CLASS + data, limits=limits)
    assert read(CLASS + NAME, limits=limits).text("PatientName") == "Doe^Jane"


def test_bulk_data_is_not_header() -> None:
    data = CLASS + long(0x00420011, "OB", bytes(300_000)) + NAME
    assert read(data, limits=Limits(header_bytes=70_000)).text("PatientName") == "Doe^Jane"


def test_fragments_walked_in_vain_count_too() -> None:
    """Else each of many elements could make the reader walk to the end of the stream and back."""
    vain = long(0x00091010, "OB", length=UNDEFINED) + bare(ITEM, bare(SEQUENCE_END))
    data = CLASS + vain * 500
    with pytest.raises(LimitExceeded):
        read(data + bare(ITEM, length=UNDEFINED), limits=Limits(fragments=400))


def deflated(data: bytes, wbits: int = -zlib.MAX_WBITS) -> bytes:
    deflater = zlib.compressobj(wbits=wbits)
    return deflater.compress(data) + deflater.flush()


@pytest.mark.parametrize("wbits", [-zlib.MAX_WBITS, zlib.MAX_WBITS], ids=["raw", "zlib header"])
def test_deflated(wbits: int) -> None:
    header = read(deflated(CLASS + NAME, wbits), DEFLATED)
    assert (header.text("PatientName"), header.truncated) == ("Doe^Jane", False)


def test_deflated_and_cut_off() -> None:
    data = deflated(CLASS + NAME + long(0x7FE00010, "OW", bytes(range(256)) * 999))
    header = read(data[:-20], DEFLATED)
    assert (header.text("PatientName"), header.truncated) == ("Doe^Jane", True)


PIXELS, VALUE = 0x7FE00010, bytes(64)
TABLE_AND_FRAGMENT = long(PIXELS, "OB", length=UNDEFINED) + bare(ITEM) + bare(ITEM, VALUE)


@pytest.mark.parametrize(
    ("data", "transfer_syntax", "cut"),
    [
        (CLASS + long(PIXELS, "OW", VALUE), EXPLICIT, False),
        (CLASS + long(PIXELS, "OW", VALUE[:-1], length=64), EXPLICIT, True),
        (CLASS + long(PIXELS, "OW", length=64), EXPLICIT, True),
        (BARE_CLASS + bare(PIXELS, VALUE[:-2], length=64), IMPLICIT, True),
        (short(0x00280010, "US", b"\0\1", order=">") + long(PIXELS, "OW", b"ab", 64, order=">"), BIG, True),
        (deflated(CLASS + long(PIXELS, "OW", VALUE[:-2], length=64)), DEFLATED, True),
        (deflated(CLASS + long(PIXELS, "OW", VALUE))[:-1], DEFLATED, False),
        (CLASS + long(PIXELS, "OW", VALUE) + long(0xFFFCFFFC, "OB", VALUE[:9], length=64), EXPLICIT, False),
        (CLASS + long(0x00420011, "OB", VALUE[:9], length=64), EXPLICIT, False),
        (CLASS + TABLE_AND_FRAGMENT + bare(SEQUENCE_END), EXPLICIT, False),
        (CLASS + TABLE_AND_FRAGMENT, EXPLICIT, False),
        (CLASS + TABLE_AND_FRAGMENT[:-1], EXPLICIT, True),
        (CLASS + TABLE_AND_FRAGMENT[: -len(VALUE) - 3], EXPLICIT, False),
    ],
    ids=[
        "whole",
        "short by a byte",
        "nothing of it",
        "implicit",
        "big endian",
        "deflated",
        "deflated, end missing",
        "padding after it cut",
        "another value cut",
        "fragments",
        "delimiter missing",
        "fragment cut",
        "item's head cut",
    ],
)
def test_whether_it_is_cut_in_its_pixel_data(data: bytes, transfer_syntax: str, cut: bool) -> None:
    assert read(data, transfer_syntax).cut_in_pixel_data == cut


def test_a_deflate_bomb_is_refused() -> None:
    bomb = deflated(CLASS + long(0x7FE00010, "OW", bytes(8 << 20)))
    limits = Limits(inflate_free_bytes=1 << 20, inflate_ratio=100)
    with pytest.raises(LimitExceeded):
        read(bomb, DEFLATED, limits)
    assert read(bomb, DEFLATED).pixel_data is not None
