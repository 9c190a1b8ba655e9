"""The corners of PS3.18 Annex F; that the rest is right says `test_corpus.py`."""

from __future__ import annotations

import struct

import pytest

from pacs.dicom.header import Element
from pacs.dicom.json import Path, items_to_json, to_json
from pacs.dicom.reader import read_header
from pacs.dicom.source import BytesSource
from tests.pacs.dicom.build import BIG, CLASS, EXPLICIT, ITEM, UNDEFINED, bare, long, short

PN = 0x00100010
UTF_8 = short(0x00080005, "CS", b"ISO_IR 192")

VALUES = [
    (short(PN, "PN", "A==ひ".encode()), {"vr": "PN", "Value": [{"Alphabetic": "A", "Phonetic": "ひ"}]}),
    (short(PN, "PN", b"A\\\\B"), {"vr": "PN", "Value": [{"Alphabetic": "A"}, None, {"Alphabetic": "B"}]}),
    (short(0x00100010, "PN"), {"vr": "PN"}),
    (short(0x00100010, "PN", b"  "), {"vr": "PN"}),
    (short(0x00080008, "CS", b"A\\\\B "), {"vr": "CS", "Value": ["A", None, "B"]}),
    (short(0x00200013, "IS", b"+07 "), {"vr": "IS", "Value": [7]}),
    (short(0x00200013, "IS", b"1A"), {"vr": "IS", "Value": ["1A"]}),
    (short(0x00200013, "IS", b"9" * 20), {"vr": "IS", "Value": ["9" * 20]}),
    (short(0x00180050, "DS", b"1.50"), {"vr": "DS", "Value": ["1.50"]}),
    (short(0x00180050, "DS", b"1e999 "), {"vr": "DS", "Value": ["1e999"]}),
    (short(0x00180050, "DS", b"1,5 "), {"vr": "DS", "Value": ["1,5"]}),
    (short(0x00186028, "FD", struct.pack("<d", float("nan"))), {"vr": "FD", "Value": ["NaN"]}),
    (short(0x00186028, "FD", struct.pack("<d", float("-inf"))), {"vr": "FD", "Value": ["-inf"]}),
    (short(0x00280009, "AT", b"\x18\0\x63\x10" * 2), {"vr": "AT", "Value": ["00181063", "00181063"]}),
    (short(0x00280009, "AT", b"\1\0"), {"vr": "AT"}),
    (long(0x00091001, "SV", struct.pack("<2q", -5, 1 << 60)), {"vr": "SV", "Value": [-5, str(1 << 60)]}),
    (long(0x00091001, "UV", struct.pack("<Q", (1 << 64) - 1)), {"vr": "UV", "Value": [str((1 << 64) - 1)]}),
    (long(0x00091001, "OV", bytes(8)), {"vr": "OV", "InlineBinary": "AAAAAAAAAAA="}),
    (long(0x00091001, "UN", b"abc"), {"vr": "UN", "InlineBinary": "YWJj"}),
    (long(0x00091001, "UN"), {"vr": "UN"}),
    (long(0x00081140, "SQ"), {"vr": "SQ"}),
    (long(0x00081140, "SQ", bare(ITEM)), {"vr": "SQ", "Value": [{}]}),
    (UTF_8, {"vr": "CS", "Value": ["ISO_IR 192"]}),
    (long(0x00080120, "UR", b"https://pacs.example/ "), {"vr": "UR", "Value": ["https://pacs.example/"]}),
]  # fmt: skip


@pytest.mark.parametrize(("encoded", "expected"), VALUES)
def test_values(encoded: bytes, expected: dict[str, object]) -> None:
    header = read_header(BytesSource(UTF_8 + encoded), EXPLICIT)
    *_, attribute = to_json(header).values()
    assert attribute == expected


def test_group_lengths_are_left_out_and_tags_rise() -> None:
    data = short(0x00080000, "UL", bytes(4)) + short(0x00100010, "PN", b"A ") + CLASS
    assert list(to_json(read_header(BytesSource(data), EXPLICIT))) == ["00080016", "00100010"]


def test_bulk_data_by_length_and_pixels_always() -> None:
    asked: list[Path] = []

    def bulk(path: Path, element: Element) -> str | None:
        asked.append(path)
        return None if element.vr == "UT" else "bulk/" + "/".join(map(str, path))

    waveform = bare(ITEM) + bare(ITEM, long(0x54001010, "OW", bytes(100)))
    data = (
        CLASS + long(0x0040A160, "UT", b"x" * 100_000) + long(0x54000100, "SQ", waveform)
        + long(0x00420011, "OB", bytes(10)) + long(0x7FE00010, "OW", b"12")
    )  # fmt: skip
    json = to_json(read_header(BytesSource(data), EXPLICIT), bulk, 10)
    assert asked == [(0x0040A160,), (0x54000100, 1, 0x54001010), (0x7FE00010,)]
    assert json["0040A160"] == {"vr": "UT"}
    assert "InlineBinary" in json["00420011"]
    assert json["7FE00010"]["BulkDataURI"] == f"bulk/{0x7FE00010}"
    assert json["54000100"]["Value"][1]["54001010"]["BulkDataURI"] == f"bulk/{0x54000100}/1/{0x54001010}"


def test_encapsulated_pixels_are_bulk() -> None:
    data = CLASS + long(0x7FE00010, "OB", bare(ITEM) + bare(ITEM, b"1234"), UNDEFINED)
    json = to_json(read_header(BytesSource(data), EXPLICIT), lambda path, element: "here")
    assert json["7FE00010"] == {"vr": "OB", "BulkDataURI": "here"}


def test_binary_values_are_little_endian_in_json() -> None:
    data = short(0x00080016, "UI", b"1.2\0", order=">") + long(0x00281201, "OW", b"\1\2\3\4", order=">")
    json = to_json(read_header(BytesSource(data), BIG))
    assert json["00281201"]["InlineBinary"] == "AgEEAw=="


def test_items_without_bulk_data() -> None:
    content = short(0x00100020, "LO", b"ID") + long(0x00091001, "OB", bytes(5000))
    header = read_header(BytesSource(CLASS + long(0x00101002, "SQ", bare(ITEM, content))), EXPLICIT)
    assert items_to_json(header.items("OtherPatientIDsSequence")) == [
        {"00091001": {"vr": "OB"}, "00100020": {"vr": "LO", "Value": ["ID"]}}
    ]
