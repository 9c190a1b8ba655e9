"""Every real file that can be sent goes in, is indexed as pydicom reads it, and comes back unchanged."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_VR

from pacs.attributes import TABLE, Level, Matching
from tests.conformance.raw import Sendable, get_all, send_all, sendable
from tests.conformance.senders import finding
from tests.conformance.server import Server
from tests.corpus import SHARED_DATA, corpus_files, needs_corpus

warnings.filterwarnings("ignore", module="pydicom")

NO_STUDY_OR_SERIES = [
    "charsets/chrSQEncoding.dcm",
    "charsets/chrSQEncoding1.dcm",
    "charsets/encoding_iso8859-1.dcm",
    "charsets/encoding_utf8.dcm",
    "odd/GH220.dcm",
    "odd/GH223.dcm",
    "odd/GH487.dcm",
    "odd/UN_sequence.dcm",
    "odd/at_invalid.dcm",
    "odd/at_no_value.dcm",
    "odd/no_meta_group_length.dcm",
    "odd/priv_SQ.dcm",
    "transfer-syntaxes/HTJ2KLossless_08_RGB.dcm",
    "transfer-syntaxes/HTJ2K_08_RGB.dcm",
    "transfer-syntaxes/JLSL_08_07_0_1F.dcm",
    "transfer-syntaxes/JLSL_16_15_1_1F.dcm",
    "transfer-syntaxes/JPEGLSNearLossless_08.dcm",
    "transfer-syntaxes/JPEGLSNearLossless_16.dcm",
    "transfer-syntaxes/SC_rgb_jls_lossy_line.dcm",
    "transfer-syntaxes/SC_rgb_jls_lossy_sample.dcm",
    "worklist/wklist1.wl",
    "worklist/wklist2.wl",
    "worklist/wklist3.wl",
    "worklist/wklist4.wl",
    "worklist/wklist5.wl",
    "worklist/wklist6.wl",
    "worklist/wklist7.wl",
    "worklist/wklist8.wl",
    "worklist/wklist9.wl",
    "worklist/wklist10.wl",
    "wsi/multiframe.dcm",
]
"""Without a Study or Series Instance UID an object has no place in the archive."""

NOT_OF_A_PATIENT = ["odd/NeurosurgeryPlan.dcm", "odd/pet.dcm", "odd/pet20step.dcm"]
"""Hanging protocols and palettes belong to another service class (PS3.4 Annex GG)."""

READ_FURTHER = {"odd/FreezePattern.dcm"}
"""pydicom stops early in this one."""

CUT_SHORT = ["odd/MR_truncated.dcm"]
"""It ends within its pixel data, before its declared length."""

BROKEN: dict[str, int | None] = {
    **dict.fromkeys(NO_STUDY_OR_SERIES, 0xA900),
    **dict.fromkeys(NOT_OF_A_PATIENT),
    **dict.fromkeys(CUT_SHORT, 0xC000),
}
"""What is refused, and how: a status, or no presentation context at all."""

COMPARED = [
    a for a in TABLE if a.level is Level.IMAGE and not a.computed and a.matching is not Matching.SEQUENCE
]
"""Patient, study and series are described by their first instance, so only instances compare one by one."""


@cache
def files() -> list[Sendable]:
    return [file for path in corpus_files() if (file := sendable(path))]


def name(file: Sendable) -> str:
    return str(file.path.relative_to(SHARED_DATA))


@pytest.fixture(scope="module")
def statuses(server: Server) -> dict[str, int | None]:
    """One server that took the whole corpus: file → status of its C-STORE."""
    return {name(file): status for file, status in send_all(server.dimse_port, files())}


@needs_corpus
def test_all_are_accepted(statuses: dict[str, int | None]) -> None:
    refused = {file: status for file, status in statuses.items() if status != 0x0000}
    assert refused == BROKEN


@needs_corpus
def test_bytes_come_back_unchanged(server: Server, statuses: dict[str, int | None]) -> None:
    """An odd data set with a zero byte behind it, as fragments are even (PS3.8 §E.1)."""
    kept = [file for file in files() if name(file) not in BROKEN and first_of_its_uid(file) is file]
    seen = 0
    for file, came in get_all(server.dimse_port, kept):
        assert came == [file.dataset + bytes(len(file.dataset) % 2)], name(file)
        seen += 1
    assert seen == len(kept)


@needs_corpus
def test_indexed_as_pydicom_reads_it(server: Server, statuses: dict[str, int | None]) -> None:
    differences = {}
    answered: dict[tuple[str, str], dict[str, Dataset]] = {}
    with finding(server.dimse_port) as find:
        for file in files():
            if name(file) in {*BROKEN, *READ_FURTHER} or first_of_its_uid(file) is not file:
                continue
            ds = dcmread(file.path, stop_before_pixels=True, force=True)
            series = ds.StudyInstanceUID, ds.SeriesInstanceUID
            if series not in answered:
                answered[series] = instances(find, *series)
            found, expected = (attributes(each) for each in (answered[series][file.sop_instance], ds))
            if found != expected:
                differences[name(file)] = {
                    key: (found[key], expected[key]) for key in found if found[key] != expected[key]
                }
    assert differences == {}


def instances(find: Callable[[Dataset], list[Dataset]], study: str, series: str) -> dict[str, Dataset]:
    """All of the series by C-FIND, each once: SOP Instance UID → its attributes."""
    ask = Dataset()
    ask.SpecificCharacterSet = "ISO_IR 192"
    ask.QueryRetrieveLevel = "IMAGE"
    for attribute in COMPARED:
        setattr(ask, attribute.keyword, None)
    ask.StudyInstanceUID, ask.SeriesInstanceUID = study, series
    answers = find(ask)
    found = {str(answer.SOPInstanceUID): answer for answer in answers}
    assert len(found) == len(answers)
    return found


def attributes(ds: Dataset) -> dict[str, str]:
    return {attribute.keyword: text(ds, attribute.keyword) for attribute in COMPARED}


def text(ds: Dataset, keyword: str) -> str:
    """The value as text, however many there are; '' when there is none."""
    if keyword not in ds or ds[keyword].is_empty:
        return ""
    value = ds[keyword].value
    if isinstance(value, bytes):  # sent as UN
        value = value.decode("ascii")
    values = value if ds[keyword].VM > 1 else [value]
    joined = "\\".join(_as_sent(each) for each in values)
    return joined.strip() if dictionary_VR(keyword) != "PN" else re.sub("=+$", "", joined)


def _as_sent(value: object) -> str:
    original = getattr(value, "original_string", None)
    return (original if isinstance(original, str) else str(value)).strip()


def first_of_its_uid(file: Sendable) -> Sendable:
    """The corpus has objects that share UIDs; the first one sent stays current."""
    series = _series(file.path)
    return next(
        other
        for other in files()
        if other.sop_instance == file.sop_instance and _series(other.path) == series
    )


_cache: dict[Path, str] = {}


def _series(path: Path) -> str:
    if path not in _cache:
        header = dcmread(path, stop_before_pixels=True, force=True, specific_tags=["SeriesInstanceUID"])
        _cache[path] = str(header.get("SeriesInstanceUID"))
    return _cache[path]
