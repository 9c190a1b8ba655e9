"""The Native DICOM Model: what PS3.19 shows, both ways, and what is refused."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb import native_model_reader
from dicomweb.native_model import NAMESPACE, to_xml
from dicomweb.native_model_reader import MAX_DEPTH, MAX_TAG, from_xml
from pacs.dicom.json import to_json
from pacs.dicom.part10 import read_part10
from pacs.dicom.reader import read_header
from pacs.dicom.source import BytesSource
from pacs.errors import BadInput, InvalidDataSet, LimitExceeded
from tests.corpus import corpus_files, needs_corpus

NAMES = [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}, None, {"Phonetic": "^^^Dr."}]
DATA_SET: dict[str, Any] = {
    "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
    "00080061": {"vr": "CS", "Value": ["CT", None, "<&>"]},
    "00100010": {"vr": "PN", "Value": NAMES},
    "00100020": {"vr": "LO"},
    "00090010": {"vr": "LO", "Value": ["ACME"]},
    "00091001": {"vr": "UN", "InlineBinary": "AAEC"},
    "00201208": {"vr": "IS", "Value": [3]},
    "00280030": {"vr": "DS", "Value": ["0.50", "2"]},
    "00189306": {"vr": "FD", "Value": [1.25, -3.0]},
    "00400275": {"vr": "SQ", "Value": [{"00400009": {"vr": "SH", "Value": ["a\r\nb"]}}, {}]},
    "00720082": {"vr": "SV", "Value": [5, "9223372036854775807"]},
    "7FE00010": {"vr": "OW", "BulkDataURI": "http://x/?a=1&b=2"},
}


def test_it_is_as_the_standard_writes_it() -> None:
    name = {"Alphabetic": "Doe^Jane", "Ideographic": "山"}
    written = to_xml({"00100010": {"vr": "PN", "Value": [name]}, "00280010": {"vr": "US", "Value": [512]}})
    assert written.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">'
        '<DicomAttribute tag="00100010" vr="PN" keyword="PatientName"><PersonName number="1">'
        "<Alphabetic><FamilyName>Doe</FamilyName><GivenName>Jane</GivenName></Alphabetic>"
        "<Ideographic><FamilyName>山</FamilyName></Ideographic></PersonName></DicomAttribute>"
        '<DicomAttribute tag="00280010" vr="US" keyword="Rows"><Value number="1">512</Value></DicomAttribute>'
        "</NativeDicomModel>"
    )


def test_what_is_written_is_read_back() -> None:
    assert from_xml(to_xml(DATA_SET)) == DATA_SET


def test_private_attributes_name_their_creator() -> None:
    assert b'<DicomAttribute tag="00091001" vr="UN" privateCreator="ACME">' in to_xml(DATA_SET)


@given(st.text(min_size=1))
def test_any_text_makes_well_formed_xml(text: str) -> None:
    written = to_xml({"00102000": {"vr": "LO", "Value": [text]}})
    [value] = ElementTree.fromstring(written).iter(f"{{{NAMESPACE}}}Value")
    assert len(value.text or "") == len(text)


def model(inside: str) -> bytes:
    return f'<NativeDicomModel xmlns="{NAMESPACE}">{inside}</NativeDicomModel>'.encode()


def attribute(inside: str, vr: str = "LO") -> str:
    return f'<DicomAttribute tag="00102000" vr="{vr}">{inside}</DicomAttribute>'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not XML",
        b"<a/>",
        b'<!DOCTYPE x [<!ENTITY e "eeeeeeeeee">]><NativeDicomModel/>',
        model("<x/>"),
        model('<DicomAttribute tag="0010" vr="LO"/>'),
        model('<DicomAttribute tag="00100010" vr="XX"/>'),
        model(attribute("") + attribute("")),
        model(attribute("<Value number='0'/>")),
        model(attribute("<Value number='2'/><Value number='1'/>")),
        model(attribute("<Item/>")),
        model(attribute("<Value>x</Value>", "SQ")),
        model(attribute("<Value>x</Value>", "US")),
        model(attribute("<Value>x</Value>", "FD")),
    ],
)
def test_what_is_no_native_model_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidDataSet):
        from_xml(data)


@pytest.mark.parametrize(
    "data",
    [
        model((depth := MAX_DEPTH + 1) * '<DicomAttribute tag="00400275" vr="SQ"><Item>').replace(
            b"</NativeDicomModel>", b""
        )
        + depth * b"</Item></DicomAttribute>",
        model(attribute("<Value number='999999999'/>")),
        model(f"<!-- {'x' * 3 * MAX_TAG} -->"),
        model(attribute("").replace(">", "".join(f" a{n}=''" for n in range(MAX_TAG)) + ">", 1)),
    ],
    ids=["depth", "number", "comment", "tag"],
)
def test_depth_and_number_are_bounded(data: bytes) -> None:
    with pytest.raises(LimitExceeded):
        from_xml(data)


def test_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_model_reader, "MAX_BYTES", 10)
    with pytest.raises(LimitExceeded):
        from_xml(model(""))


@pytest.mark.parametrize("before", range(0, MAX_TAG, MAX_TAG // 16))
def test_tags_of_some_length_are_read_wherever_they_begin(before: int) -> None:
    uri = "x" * (MAX_TAG - 100)
    element = f'<DicomAttribute tag="7FE00010" vr="OB"><BulkData uri="{uri}"/></DicomAttribute>'
    assert from_xml(model(before * " " + element)) == {"7FE00010": {"vr": "OB", "BulkDataURI": uri}}


def test_binary_values_in_short_lines_take_no_multiple_of_their_size() -> None:
    lines = "QUJD \n" * 200_000
    data = model(attribute(f"<InlineBinary>{lines}</InlineBinary>", "OB"))
    tracemalloc.start()
    try:
        found = from_xml(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found["00102000"]["InlineBinary"] == "QUJD" * 200_000
    assert peak < 4 * len(data)


@given(st.binary(max_size=200) | st.text(alphabet='<>/"= DicomAtrbuevIt', max_size=200).map(str.encode))
def test_nothing_but_bad_input_comes_of_anything(data: bytes) -> None:
    with suppress(BadInput):
        from_xml(data)


@needs_corpus
def test_every_file_of_the_corpus_comes_through() -> None:
    through = 0
    for path in corpus_files():
        if path.stat().st_size > 2 << 20:
            continue
        source = BytesSource(path.read_bytes())
        try:
            part10 = read_part10(source)
            json = to_json(read_header(source, part10.transfer_syntax, start=part10.dataset_offset))
        except BadInput:
            continue
        from_xml(to_xml(json))
        through += 1
    assert through > 100
