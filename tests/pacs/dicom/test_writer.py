from __future__ import annotations

import io
import random
from typing import Any

import pytest
from pydicom.filereader import read_dataset

from pacs.dicom.encoding import deflated
from pacs.dicom.reader import read_header
from pacs.dicom.source import BytesSource
from pacs.dicom.writer import encode_dataset
from tests.pacs.dicom.build import BIG, DEFLATED, EXPLICIT, IMPLICIT, short

ELEMENTS: list[tuple[int, str, Any]] = [
    (0x00100010, "PN", "山田^太郎"),
    (0x00080005, "CS", "ISO_IR 192"),
    (0x00080016, "UI", "1.2.840.10008.1.1"),
    (0x00080008, "CS", ["ORIGINAL", "PRIMARY"]),
    (0x00280010, "US", 512),
    (0x00280011, "US", "512"),
    (0x00280009, "AT", "00181063\\00181065"),
    (0x00186028, "FD", [1.5, -2]),
    (0x00200013, "IS", 7),
    (0x00080060, "CS", None),
    (0x00420011, "OB", b"odd"),
    (0x00400275, "SQ", [[(0x00400009, "SH", "é"), (0x00080100, "SH", "C")], []]),
    (0x00081140, "SQ", None),
]
SYNTAXES = [IMPLICIT, EXPLICIT, BIG, DEFLATED]


@pytest.mark.parametrize("transfer_syntax", SYNTAXES)
def test_what_is_written_is_read_back(transfer_syntax: str) -> None:
    data = encode_dataset(ELEMENTS, transfer_syntax, ("ISO_IR 192",))
    header = read_header(BytesSource(data), transfer_syntax)
    assert [element.tag for element in header] == sorted(tag for tag, _, _ in ELEMENTS)
    assert header.text("PatientName") == "山田^太郎"
    assert header.text("ImageType") == "ORIGINAL\\PRIMARY"
    assert (header.values("Rows"), header.values("Columns")) == ([512], [512])
    assert header.values(0x00280009) == ["00181063", "00181065"]
    assert header.values(0x00186028) == [1.5, -2.0]
    assert (header.text("InstanceNumber"), header.text("Modality")) == ("7", "")
    assert header.raw(0x00420011) == b"odd\0"
    first, second = header.items(0x00400275)
    assert (first.text(0x00400009), len(second), header.items(0x00081140)) == ("é", 0, [])
    assert not header.truncated


@pytest.mark.parametrize("transfer_syntax", SYNTAXES[:3])
def test_pydicom_reads_it(transfer_syntax: str) -> None:
    data = encode_dataset(ELEMENTS, transfer_syntax, ("ISO_IR 192",))
    data_set = read_dataset(io.BytesIO(data), transfer_syntax == IMPLICIT, transfer_syntax != BIG)
    assert data_set.PatientName == "山田^太郎"
    assert data_set[0x00400275].value[0][0x00400009].value == "é"
    assert (data_set.Rows, data_set.InstanceNumber, data_set[0x00186028].value) == (512, 7, [1.5, -2.0])


def test_padding() -> None:
    assert encode_dataset([(0x00080016, "UI", "1.2")], EXPLICIT) == short(0x00080016, "UI", b"1.2\0")
    assert encode_dataset([(0x00080060, "CS", "CTX")], EXPLICIT) == short(0x00080060, "CS", b"CTX ")


def test_a_command_set() -> None:
    data = encode_dataset([(0x00000110, "US", 1), (0x00000100, "US", 0x30)], IMPLICIT)
    assert data == bytes.fromhex("00000001 02000000 3000 00001001 02000000 0100")


def test_what_cannot_be_written() -> None:
    with pytest.raises(UnicodeEncodeError):
        encode_dataset([(0x00100010, "PN", "山田")], EXPLICIT, ("ISO_IR 100",))
    with pytest.raises(ValueError, match="0028,0010"):
        encode_dataset([(0x00280010, "US", 70_000)], EXPLICIT)


def test_what_is_deflated_has_an_even_length_as_every_piece_of_it() -> None:
    lengths = {len(encode_dataset([(0x00080016, "UI", "1." * n + "1")], DEFLATED)) % 2 for n in range(30)}
    assert lengths == {0}
    noise = random.Random(1).randbytes
    pieces = list(deflated(noise(99_999) for _ in range(9)))
    assert len(pieces) > 1 and {len(piece) % 2 for piece in pieces} == {0}
