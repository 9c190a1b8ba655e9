from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread

from dimse.identifier import AnswerEncoder
from pacs.attributes import BY_KEYWORD, TABLE
from pacs.dicom.encoding import UNCOMPRESSED
from pacs.dicom.part10 import part10_prefix
from pacs.model import Values

LEVEL = {0x00080052: ("CS", "STUDY")}


def read(data: bytes, syntax: str) -> Dataset:
    dataset = dcmread(io.BytesIO(part10_prefix("1.2", "1.2", syntax) + data))
    del dataset.file_meta
    return dataset


def encoded(
    values: Values, syntax: str = "1.2.840.10008.1.2.1", charsets: tuple[str, ...] | None = None
) -> bytes:
    attributes = [BY_KEYWORD[keyword] for keyword in values]
    return AnswerEncoder(syntax, attributes, LEVEL, charsets).encode(values)


@pytest.mark.parametrize("syntax", UNCOMPRESSED)
def test_every_vr_in_every_syntax(syntax: str) -> None:
    answer = read(
        encoded(
            {
                "PatientName": "Doe^Jane",
                "PatientID": "odd",
                "StudyInstanceUID": "1.2.3",
                "StudyDate": "20240131",
                "Rows": "512",
                "NumberOfFrames": "3",
                "NumberOfStudyRelatedSeries": 7,
                "PixelSpacing": "0.5\\0.25",
                "ImageComments": "long " * 20_000,
                "OtherPatientIDs": "A\\B",
                "ProcedureCodeSequence": [{"00080100": {"vr": "SH", "Value": ["T-1"]}}, {}],
                "StudyID": "",
            },
            syntax,
        ),
        syntax,
    )
    assert (answer.PatientName, answer.PatientID, answer.StudyInstanceUID) == ("Doe^Jane", "odd", "1.2.3")
    assert (answer.Rows, answer.NumberOfFrames, answer.NumberOfStudyRelatedSeries) == (512, 3, 7)
    assert list(answer.PixelSpacing) == [0.5, 0.25] and list(answer.OtherPatientIDs) == ["A", "B"]
    assert len(answer.ImageComments) in (100_000, 99_999)
    assert [item.get("CodeValue") for item in answer.ProcedureCodeSequence] == ["T-1", None]
    assert (answer.StudyDate, answer.StudyID, answer.QueryRetrieveLevel) == ("20240131", "", "STUDY")


def test_tags_rise_and_lengths_are_even() -> None:
    data = encoded({attribute.keyword: "" for attribute in TABLE} | {"PatientName": "Ä"}, charsets=())
    tags = [element.tag for element in read(data, "1.2.840.10008.1.2.1")]
    assert tags == sorted(tags) and len(tags) == len(TABLE) + 2
    assert len(data) % 2 == 0


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\"), max_size=64))
def test_any_name_survives_whatever_was_asked_for(name: str) -> None:
    for charsets in (None, (), ("ISO_IR 100",), ("ISO 2022 IR 6", "ISO 2022 IR 87"), ("GB18030",)):
        answer = read(encoded({"PatientComments": name}, charsets=charsets), "1.2.840.10008.1.2.1")
        assert (answer.PatientComments or "").rstrip() == name.rstrip()


@pytest.mark.parametrize("rows", ["70000", "512.0", "many", "512\\"])
def test_a_number_said_under_a_wrong_vr_spoils_no_answer(rows: str) -> None:
    answer = read(encoded({"Rows": rows, "Columns": "512"}), "1.2.840.10008.1.2.1")
    assert (answer.Rows, answer.Columns) == (None, 512)


def test_letters_that_a_vr_cannot_have_spoil_no_answer() -> None:
    items = [{"0040A040": {"vr": "CS", "Value": ["ÉTÉ", None]}, "00400007": {"vr": "LO", "Value": ["É"]}}]
    answer = read(encoded({"RequestAttributesSequence": items}, charsets=()), "1.2.840.10008.1.2.1")
    (item,) = answer.RequestAttributesSequence
    assert (list(item.ValueType), item.ScheduledProcedureStepDescription) == (["?T?", ""], "É")
