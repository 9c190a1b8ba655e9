"""Pydicom is the oracle over every real file: values, character sets, JSON and frames."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.encaps import generate_frames

from pacs.dicom.frames import FrameIndex, frame_index
from pacs.dicom.json import to_json
from pacs.dicom.reader import Header
from pacs.errors import InvalidDataSet
from tests.pacs.dicom.files import REAL_FILES, open_header, pydicom_reads
from tests.pacs.dicom.oracle import comparable, differences

NOT_DICOM = {"no_meta.dcm": "its data set begins in the middle of an element"}

PYDICOM_FAILS = {
    "FreezePattern.dcm": "an item astray among the elements, which pydicom takes for one",
    "GH364.dcm": "an item astray among the elements, where pydicom stops reading",
    "GH177_D_CLUNIE_CT1_IVRLE_BigEndian_undefined_length.dcm": "UN is little endian even in big endian",
    "GH179A.dcm": "a VR of two spaces with a short length; pydicom loses what follows",
    "emri_small_jpeg_2k_lossless_too_short.dcm": "the delimiter is missing; pydicom loses everything",
    "no_preamble_dicm_in_data": "`DICM` at 128 is text inside a data set without preamble",
    "chrGB2312.dcm": "pydicom leaves the escape sequences of ISO IR 58 in the text",
}
"""Where another reading than pydicom's is right. Each has its own test below."""


def sure_of(path: Path) -> None:
    if reason := (NOT_DICOM | PYDICOM_FAILS).get(path.name):
        pytest.skip(f"has its own test: {reason}")


@pytest.mark.parametrize("path", REAL_FILES)
def test_every_value_is_what_pydicom_reads(path: Path) -> None:
    sure_of(path)
    source, header = open_header(path)
    with source:
        assert list(differences(header, pydicom_reads(path))) == []


@pytest.mark.parametrize("path", REAL_FILES)
def test_json_is_what_pydicom_makes(path: Path) -> None:
    sure_of(path)
    source, header = open_header(path)
    with source, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set = pydicom_reads(path)
        try:
            expected = data_set.to_json_dict(bulk_data_threshold=1 << 62)
        except (ValueError, TypeError) as error:
            pytest.skip(f"pydicom makes no JSON of it: {error}")
        ours = to_json(header, bulk_threshold=1 << 62)
    if header.big_endian:  # pydicom leaves binary values in the file's byte order
        _drop_binary(expected)
        _drop_binary(ours)
    assert _plain(ours) == _plain(expected)


def _plain(attributes: dict[str, Any]) -> dict[str, Any]:
    """Without group lengths, empty values, character sets and pixels, on which the two differ; decimal
    strings are numbers, which pydicom makes of them."""
    return {
        tag: {
            "vr": attribute["vr"],
            "binary": attribute.get("InlineBinary"),
            "values": _plain_values(_numbers(attribute)),
        }
        for tag, attribute in attributes.items()
        if tag[4:] != "0000" and tag not in ("00080005", "7FE00008", "7FE00009", "7FE00010")
    }


def _numbers(attribute: dict[str, Any]) -> list[Any]:
    values = attribute.get("Value", [])
    return (
        [float(value) for value in values if value not in ("", None)] if attribute["vr"] == "DS" else values
    )


def _plain_values(values: list[Any]) -> list[Any]:
    items = [_plain(value) for value in values if isinstance(value, dict) and _is_item(value)]
    names = [
        {group: text.strip(" \0") for group, text in value.items() if text.strip(" \0")}
        for value in values
        if isinstance(value, dict) and not _is_item(value)
    ]
    return [*items, *filter(None, names), *comparable([v for v in values if not isinstance(v, dict)])]


def _is_item(value: dict[str, Any]) -> bool:
    return not value.keys() & {"Alphabetic", "Ideographic", "Phonetic"}


def _drop_binary(attributes: dict[str, Any]) -> None:
    for attribute in attributes.values():
        attribute.pop("InlineBinary", None)
        for value in attribute.get("Value", []):
            if isinstance(value, dict) and _is_item(value):
                _drop_binary(value)


@pytest.mark.parametrize("path", REAL_FILES)
def test_frames_are_where_pydicom_finds_them(path: Path) -> None:
    sure_of(path)
    source, header = open_header(path)
    with source, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        index = frame_index(header, source)
        data_set = pydicom_reads(path)
        assert (index is None) == (header.pixel_data is None or header.pixel_data.length == 0)
        if index is None:
            return
        ours = frames_of(index, header)
        if index.encapsulated:
            assert ours == encapsulated_frames(data_set)
        else:
            pixels = data_set[header.pixel_data.tag].value if header.pixel_data else b""
            assert ours == native_frames(index, data_set, pixels)
        again = FrameIndex.from_bytes(index.to_bytes())
        assert frames_of(again, header) == ours


def frames_of(index: FrameIndex, header: Header) -> list[bytes]:
    return [
        b"".join(header.source.read_at(offset, length) for offset, length in index.ranges(frame))
        for frame in range(len(index))
    ]


def encapsulated_frames(data_set: pydicom.Dataset) -> list[bytes]:
    tables = None
    if "ExtendedOffsetTable" in data_set:
        tables = data_set.ExtendedOffsetTable, data_set.ExtendedOffsetTableLengths
    number = int(data_set.get("NumberOfFrames") or 1)
    return list(generate_frames(data_set.PixelData, number_of_frames=number, extended_offsets=tables))


def native_frames(index: FrameIndex, data_set: pydicom.Dataset, pixels: bytes) -> list[bytes]:
    """By the plain arithmetic of PS3.5 §8, for the frames that are there."""
    bits = 1
    for keyword, default in (("Rows", 0), ("Columns", 0), ("SamplesPerPixel", 1), ("BitsAllocated", 0)):
        value = data_set.get(keyword, default)
        bits *= value[0] if isinstance(value, list) else value
    if data_set.get("PhotometricInterpretation") == "YBR_FULL_422":
        bits = bits // 3 * 2
    if not bits or len(pixels) * 8 < bits:
        return [pixels]
    try:
        number = int(data_set.get("NumberOfFrames") or 1)
    except ValueError:
        number = 1
    return [
        pixels[frame * bits // 8 : -(-(frame + 1) * bits // 8)]
        for frame in range(min(number, len(pixels) * 8 // bits))
    ]


def corpus_file(file_name: str) -> Path:
    for parameter in REAL_FILES:
        path = parameter.values[0]
        assert isinstance(path, Path)
        if path.name == file_name:
            return path
    pytest.skip(f"{file_name} is not there")


def test_what_begins_inside_an_element_is_not_dicom() -> None:
    with pytest.raises(InvalidDataSet):
        open_header(corpus_file("no_meta.dcm"))


@pytest.mark.parametrize(
    ("file_name", "elements", "truncated", "texts"),
    [
        ("FreezePattern.dcm", 85, False, {"Modality": "CT", "CodeMeaning": "IEC 6666 yyyyyyyyy UUUUUUU"}),
        ("GH364.dcm", 73, False, {"Modality": "US", "PresentationLUTShape": "IDENTITY"}),
        (
            "GH177_D_CLUNIE_CT1_IVRLE_BigEndian_undefined_length.dcm",
            259,
            False,
            {"Modality": "CT", "Rows": "512", "Columns": "512"},
        ),
        ("GH179A.dcm", 66, False, {"PixelPaddingValue": "0", "WindowCenter": "-2"}),
        ("emri_small_jpeg_2k_lossless_too_short.dcm", 131, True, {"NumberOfFrames": "10", "Modality": "MR"}),
        ("chrGB2312.dcm", 33, False, {"PatientName": "Zhang^XiaoDong=张^小东"}),
    ],
)
def test_files_that_pydicom_reads_otherwise(
    file_name: str, elements: int, truncated: bool, texts: dict[str, str]
) -> None:
    source, header = open_header(corpus_file(file_name))
    with source:
        assert (len(header), header.truncated) == (elements, truncated)
        assert {keyword: header.text(keyword) for keyword in texts} == texts


def test_dicm_inside_a_data_set_is_no_prefix() -> None:
    source, header = open_header(corpus_file("no_preamble_dicm_in_data"))
    with source:
        assert header.text("Modality") is not None
