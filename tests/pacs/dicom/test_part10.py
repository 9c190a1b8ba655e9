from __future__ import annotations

import io

import pydicom
import pytest
from pydicom.uid import CTImageStorage

from pacs.dicom.part10 import part10_prefix, read_part10
from pacs.dicom.source import BytesSource
from pacs.errors import InvalidDataSet
from tests.pacs.dicom.build import BARE_CLASS, BIG, CLASS, EXPLICIT, IMPLICIT, NAME, bare, long, short

PREAMBLE = bytes(128) + b"DICM"
META = short(0x00020002, "UI", b"1.2\0") + short(0x00020010, "UI", EXPLICIT.encode() + b"\0")
BARE_META = bare(0x00020002, b"1.2\0") + bare(0x00020010, EXPLICIT.encode() + b"\0")
BIG_CLASS = short(0x00080016, "UI", b"1.2\0", order=">")
LENGTH = short(0x00020000, "UL", len(META).to_bytes(4, "little"))

FOUND = {
    "standard": (PREAMBLE + LENGTH + META, CLASS, EXPLICIT),
    "group length missing": (PREAMBLE + META, CLASS, EXPLICIT),
    "group length wrong": (PREAMBLE + short(0x00020000, "UL", b"\xff\xff\0\0") + META, CLASS, EXPLICIT),
    "meta in implicit VR": (PREAMBLE + BARE_META, CLASS, EXPLICIT),
    "a private information too long for us": (
        PREAMBLE + META + long(0x00020102, "OB", bytes(5000)), CLASS, EXPLICIT,
    ),
    "no preamble": (META, CLASS, EXPLICIT),
    "prefix without preamble": (b"DICM" + META, CLASS, EXPLICIT),
    "no transfer syntax, explicit": (PREAMBLE + short(0x00020002, "UI", b"1.2\0"), CLASS, EXPLICIT),
    "no meta, explicit": (b"", CLASS, EXPLICIT),
    "no meta, implicit": (b"", BARE_CLASS, IMPLICIT),
    "no meta, big endian": (b"", BIG_CLASS, BIG),
    "preamble but no meta": (PREAMBLE, BARE_CLASS, IMPLICIT),
    "DICM inside a data set": (b"", CLASS + short(0x00080018, "UI", bytes(108) + b"DICM"), EXPLICIT),
}  # fmt: skip


@pytest.mark.parametrize(("before", "data_set", "transfer_syntax"), FOUND.values(), ids=FOUND.keys())
def test_where_the_data_set_begins_and_how_it_is_encoded(
    before: bytes, data_set: bytes, transfer_syntax: str
) -> None:
    part10 = read_part10(BytesSource(before + data_set + NAME))
    assert (part10.dataset_offset, part10.transfer_syntax) == (len(before), transfer_syntax)
    assert part10.has_preamble == before.startswith(PREAMBLE)
    assert part10.media_storage_sop_class == ("1.2" if part10.meta else "")


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 200, b"%PDF-1.7\n" * 30, b"PK\3\4" + bytes(300), b"GIF89a" + bytes(300), b"DICM", bytes(8)],
)
def test_what_is_not_dicom(data: bytes) -> None:
    with pytest.raises(InvalidDataSet):
        read_part10(BytesSource(data))


def test_a_file_that_ends_within_its_meta_information() -> None:
    with pytest.raises(InvalidDataSet):
        read_part10(BytesSource(PREAMBLE + META[:-5]))


def test_a_dicomdir_is_recognised() -> None:
    prefix = part10_prefix("1.2.840.10008.1.3.10", "1.2.3", EXPLICIT)
    assert read_part10(BytesSource(prefix + CLASS)).is_dicomdir
    assert not read_part10(BytesSource(part10_prefix(CTImageStorage, "1.2.3", EXPLICIT))).is_dicomdir


def test_the_prefix_is_a_file_header_and_always_the_same() -> None:
    prefix = part10_prefix(CTImageStorage, "1.2.3", IMPLICIT)
    assert prefix == part10_prefix(CTImageStorage, "1.2.3", IMPLICIT)
    part10 = read_part10(BytesSource(prefix))
    assert (part10.dataset_offset, part10.transfer_syntax) == (len(prefix), IMPLICIT)
    assert part10.media_storage_sop_instance == "1.2.3"
    file = pydicom.dcmread(io.BytesIO(prefix + BARE_CLASS))
    pydicom.dataset.validate_file_meta(file.file_meta)
    assert file.file_meta.ImplementationVersionName == "LIGHTBOX_PACS"
    assert file.file_meta.FileMetaInformationGroupLength == len(prefix) - 144
