"""Any data set: pydicom writes it and we read it, we write it and pydicom reads it."""

from __future__ import annotations

import io
import zlib
from typing import Any

import pydicom
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from pacs.dicom.reader import read_header
from pacs.dicom.source import BytesSource
from pacs.dicom.writer import WriteElement, encode_dataset
from tests.pacs.dicom.build import BIG, DEFLATED, EXPLICIT, IMPLICIT
from tests.pacs.dicom.oracle import comparable, differences

TEXT = st.text("abcÄ山^= .-", max_size=12).map(str.strip)
NAMES = st.text("abcÄ山^ ", max_size=12).map(str.strip)
VALUES: dict[tuple[int, str], st.SearchStrategy[Any]] = {
    (0x00080008, "CS"): st.lists(st.text("ABC_ 1", min_size=1, max_size=6).map(str.strip), max_size=3),
    (0x00080018, "UI"): st.lists(st.sampled_from("0123456789"), min_size=1, max_size=9).map(".".join),
    (0x00080020, "DA"): st.sampled_from(["20240229", "19991231", ""]),
    (0x00081030, "LO"): TEXT,
    (0x00100010, "PN"): NAMES,
    (0x00104000, "LT"): TEXT,
    (0x00180050, "DS"): st.sampled_from(["1.5", "-2", "1e-3", ""]),
    (0x00200013, "IS"): st.integers(-(2**31), 2**31 - 1).map(str),
    (0x00280009, "AT"): st.lists(st.integers(0, 2**32 - 1), max_size=3),
    (0x00280010, "US"): st.lists(st.integers(0, 2**16 - 1), max_size=3),
    (0x00186020, "SL"): st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3),
    (0x00186028, "FD"): st.lists(st.floats(allow_nan=False), max_size=3),
    (0x00185100, "CS"): st.just("HFS"),
    (0x00091001, "UN"): st.binary(max_size=9),
    (0x00420011, "OB"): st.binary(max_size=300),
    (0x00281201, "OW"): st.binary(max_size=40).map(lambda data: data * 2),
    (0x0040A160, "UT"): TEXT,
}  # fmt: skip
SEQUENCES = (0x00081140, 0x00400275, 0x0040A730)
SYNTAXES = st.sampled_from([IMPLICIT, EXPLICIT, BIG, DEFLATED])


def _leaves() -> st.SearchStrategy[list[WriteElement]]:
    one = st.one_of(*(st.tuples(st.just(tag), st.just(vr), each) for (tag, vr), each in VALUES.items()))
    return st.lists(one, max_size=5, unique_by=lambda element: element[0])


def _around(inner: st.SearchStrategy[list[WriteElement]]) -> st.SearchStrategy[list[WriteElement]]:
    one = st.tuples(st.sampled_from(SEQUENCES), st.just("SQ"), st.lists(inner, max_size=3))
    sequences = st.lists(one, min_size=1, max_size=2, unique_by=lambda element: element[0])
    return st.tuples(_leaves(), sequences).map(lambda both: [*both[0], *both[1]])


DATA_SETS = st.recursive(_leaves(), _around, max_leaves=8).map(
    lambda elements: [(0x00080005, "CS", "ISO_IR 192"), *elements]
)


def _pydicom(elements: list[WriteElement], undefined: bool) -> Dataset:
    data_set = Dataset()
    for tag, vr, value in elements:
        if vr == "SQ":
            value = pydicom.Sequence([_pydicom(item, undefined) for item in value])
            for item in value:
                item.is_undefined_length_sequence_item = undefined
        data_set.add_new(tag, vr, value)
        if vr == "SQ":
            data_set[tag].is_undefined_length = undefined
    return data_set


def _written_by_pydicom(data_set: Dataset, transfer_syntax: str) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = transfer_syntax == IMPLICIT, transfer_syntax != BIG
    write_dataset(buffer, data_set)
    written = bytes(buffer.getvalue())
    if transfer_syntax != DEFLATED:
        return written
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(written) + deflater.flush()


@settings(max_examples=150, deadline=None)
@given(DATA_SETS, SYNTAXES, st.booleans())
def test_what_pydicom_writes_is_read(
    elements: list[WriteElement], transfer_syntax: str, undefined: bool
) -> None:
    data_set = _pydicom(elements, undefined)
    data = _written_by_pydicom(data_set, transfer_syntax)
    header = read_header(BytesSource(data), transfer_syntax)
    plain = zlib.decompress(data, -zlib.MAX_WBITS) if transfer_syntax == DEFLATED else data
    again = read_dataset(io.BytesIO(plain), transfer_syntax == IMPLICIT, transfer_syntax != BIG)
    assert list(differences(header, again)) == []
    assert not header.truncated


@settings(max_examples=150, deadline=None)
@given(DATA_SETS, SYNTAXES)
def test_what_we_write_is_read_by_both(elements: list[WriteElement], transfer_syntax: str) -> None:
    data = encode_dataset(elements, transfer_syntax, ("ISO_IR 192",))
    header = read_header(BytesSource(data), transfer_syntax)
    assert not header.truncated
    for tag, vr, value in elements:
        if vr in ("LO", "PN", "LT", "UT", "UI"):
            assert comparable(header.values(tag)) == comparable(
                [value.rstrip("=")] if vr == "PN" else [value]
            )
    plain = zlib.decompress(data, -zlib.MAX_WBITS) if transfer_syntax == DEFLATED else data
    again = read_dataset(io.BytesIO(plain), transfer_syntax == IMPLICIT, transfer_syntax != BIG)
    assert list(differences(header, again)) == []
