"""The DICOM JSON Model as peers send it becomes a data set, or is refused by the tag's name."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.filereader import read_dataset

from pacs.dicom.from_json import Payload, encode_json
from pacs.dicom.json import to_json
from pacs.dicom.limits import Limits
from pacs.dicom.part10 import read_part10
from pacs.dicom.reader import read_header
from pacs.dicom.source import BytesSource
from pacs.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from pacs.errors import InvalidDataSet, LimitExceeded, PacsError
from tests.corpus import SHARED_DATA, needs_corpus


@dataclass
class Held:
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def chunks(self) -> Iterator[bytes]:
        yield self.data


def encoded(data_set: Any, **bulk: bytes) -> bytes:
    def find(uri: str) -> Payload:
        return Held(bulk[uri])

    return b"".join(encode_json(data_set, find))


FULL: dict[str, Any] = {
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}]},
    "00080016": {"vr": "UI", "Value": ["1.2.840.10008.1.1"]},
    "00080008": {"vr": "CS", "Value": ["ORIGINAL", None, "AXIAL"]},
    "00080060": {"vr": "CS"},
    "00180050": {"vr": "DS", "Value": [0.1, 2, "3.5"]},
    "00200013": {"vr": "IS", "Value": [7.0]},
    "00280009": {"vr": "AT", "Value": ["00181063"]},
    "00280010": {"vr": "US", "Value": [512]},
    "00186028": {"vr": "FD", "Value": [1.5, -2]},
    "00400275": {"vr": "SQ", "Value": [{"00400009": {"vr": "SH", "Value": ["é"]}}, {}, None]},
    "00420011": {"vr": "OB", "InlineBinary": b64encode(b"odd").decode()},
    "7FE00010": {"vr": "OW", "BulkDataURI": "pixels"},
    "00020010": {"vr": "UI", "Value": ["1.2"]},
    "00080005": {"vr": "CS", "Value": ["ISO_IR 100"]},
}


def test_pydicom_reads_what_is_written() -> None:
    ds = read_dataset(io.BytesIO(encoded(FULL, pixels=b"12345")), False, True)
    assert [element.tag for element in ds] == sorted(int(tag, 16) for tag in FULL if tag[:4] != "0002")
    assert str(ds.PatientName) == "Yamada^Tarou=山田^太郎"
    assert ds.SpecificCharacterSet == "ISO_IR 192"
    assert list(ds.ImageType) == ["ORIGINAL", "", "AXIAL"]
    assert [float(value) for value in ds.SliceThickness] == [0.1, 2.0, 3.5]
    assert (ds.InstanceNumber, ds.Rows, ds.Modality) == (7, 512, "")
    assert ds[0x00400275].value[0][0x00400009].value == "é" and len(ds[0x00400275].value) == 3
    assert (ds[0x00420011].value, ds.PixelData) == (b"odd\0", b"12345\0")


def test_pixel_data_is_encapsulated_from_frames() -> None:
    data = b"".join(encode_json({"7FE00010": {"vr": "OB"}}, frames=[Held(b"one"), Held(b"four")]))
    assert data.endswith(
        b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff"
        b"\xfe\xff\x00\xe0\0\0\0\0"
        b"\xfe\xff\x00\xe0\4\0\0\0one\0"
        b"\xfe\xff\x00\xe0\4\0\0\0four"
        b"\xfe\xff\xdd\xe0\0\0\0\0"
    )


@pytest.mark.parametrize(
    "data_set",
    [
        [],
        {"PatientName": {"vr": "PN"}},
        {"00100010": None},
        {"00100010": {}},
        {"00100010": {"vr": "ZZ"}},
        {"00100010": {"vr": ["PN"]}},
        {"00100010": {"vr": "PN", "Value": "text"}},
        {"00100020": {"vr": "LO", "Value": [{"a": 1}]}},
        {"00100020": {"vr": "LO", "Value": [True]}},
        {"00280010": {"vr": "US", "Value": [70000]}},
        {"00280010": {"vr": "US", "Value": [1.5]}},
        {"00280010": {"vr": "US", "Value": ["x"]}},
        {"00280009": {"vr": "AT", "Value": ["PatientName"]}},
        {"00080016": {"vr": "UI", "Value": ["é"]}},
        {"00420011": {"vr": "OB", "InlineBinary": "***"}},
        {"00420011": {"vr": "OB", "InlineBinary": 5}},
        {"00420011": {"vr": "OB", "Value": [1]}},
        {"7FE00010": {"vr": "OW", "BulkDataURI": 5}},
        {"00400275": {"vr": "SQ", "Value": ["x"]}},
        # what would end an item, or belongs to a command
        {"00400275": {"vr": "SQ", "Value": [{"FFFEE00D": {"vr": "OB", "InlineBinary": ""}}]}},
        {"00000002": {"vr": "UI", "Value": ["1.2"]}},
        # two values of one attribute (§F.2.2)
        {"00420011": {"vr": "OB", "InlineBinary": "AAA=", "BulkDataURI": "there"}},
        {"00100020": {"vr": "LO", "Value": ["P1"], "InlineBinary": "AAA="}},
    ],
)
def test_what_is_no_data_set_is_refused(data_set: Any) -> None:
    with pytest.raises(InvalidDataSet) as error:
        encoded(data_set)
    assert "text" not in str(error.value)


def test_depth_is_bounded() -> None:
    deep: dict[str, Any] = {}
    for _ in range(200):
        deep = {"00400275": {"vr": "SQ", "Value": [deep]}}
    with pytest.raises(LimitExceeded):
        b"".join(encode_json(deep, limits=Limits(depth=128)))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["vr", "Value", "InlineBinary", "BulkDataURI", "Alphabetic", "00100010", "00400275"]
            ),
            inner | st.sampled_from(["PN", "SQ", "US", "FL", "FD", "AT", "OB", "DS", "IS", "UN", "UC"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["00100010", "00400275", "7FE00010", "00280010"]), json_values))
def test_whatever_comes_is_written_or_refused(data_set: Any) -> None:
    try:
        b"".join(encode_json(data_set))
    except PacsError:
        return


@needs_corpus
@pytest.mark.parametrize("name", ["ct", "mr", "sr", "rt"])
def test_real_headers_survive_json(name: str) -> None:
    path = sorted(p for p in (SHARED_DATA / name).rglob("*") if p.is_file())[0]
    source = BytesSource(path.read_bytes())
    part10 = read_part10(source)
    model = to_json(read_header(source, part10.transfer_syntax, part10.dataset_offset))
    again = b"".join(encode_json(orjson.loads(orjson.dumps(model))))
    utf_8 = {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}
    assert to_json(read_header(BytesSource(again), EXPLICIT_LITTLE)) == model | utf_8
