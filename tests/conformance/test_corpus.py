"""Every real file that a sender can send goes in, is indexed as pydicom reads it, and comes back unchanged."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_VR

from pacs.attributes import TABLE, Level, Matching
from tests.conformance.raw import Sendable, get, send, sendable
from tests.conformance.senders import find
from tests.conformance.server import Server
from tests.corpus import SHARED_DATA, corpus_files, needs_corpus

warnings.filterwarnings("ignore", module="pydicom")

BROKEN: dict[str, int] = {}
"""Files that are refused, and with which status: a UID that names the object is absent or not a UID."""

FILES = [file for path in corpus_files() if (file := sendable(path))]


def name(file: Sendable) -> str:
    return str(file.path.relative_to(SHARED_DATA))


@pytest.fixture(scope="module")
def statuses(server: Server) -> dict[str, int | None]:
    """One server that took the whole corpus: file → status of its C-STORE."""
    return {name(file): send(server.dimse_port, file) for file in FILES}


@needs_corpus
def test_all_are_accepted(statuses: dict[str, int | None]) -> None:
    refused = {file: status for file, status in statuses.items() if status != 0x0000}
    assert refused == BROKEN


@needs_corpus
@pytest.mark.parametrize("file", FILES, ids=name)
def test_bytes_come_back_unchanged(server: Server, statuses: dict[str, int | None], file: Sendable) -> None:
    if name(file) in BROKEN:
        pytest.skip("refused, as it should be")
    first = first_of_its_uid(file)
    assert first.dataset in get(server.dimse_port, file)


@needs_corpus
@pytest.mark.parametrize("file", FILES, ids=name)
def test_indexed_as_pydicom_reads_it(server: Server, statuses: dict[str, int | None], file: Sendable) -> None:
    if name(file) in BROKEN or first_of_its_uid(file) is not file:
        pytest.skip("refused, or another version of an object that came first")
    expected = dcmread(file.path, stop_before_pixels=True, force=True)
    ask = Dataset()
    ask.SpecificCharacterSet = "ISO_IR 192"
    ask.QueryRetrieveLevel = "IMAGE"
    ask.StudyInstanceUID, ask.SeriesInstanceUID = expected.StudyInstanceUID, expected.SeriesInstanceUID
    ask.SOPInstanceUID = file.sop_instance
    wanted = [
        a for a in TABLE if a.level is Level.IMAGE and not a.computed and a.matching is not Matching.SEQUENCE
    ]
    for attribute in wanted:
        if attribute.keyword not in ask:
            setattr(ask, attribute.keyword, None)
    (answer,) = find(server.dimse_port, ask)
    for attribute in wanted:
        assert text(answer, attribute.keyword) == text(expected, attribute.keyword), attribute.keyword


def text(ds: Dataset, keyword: str) -> str:
    """The value as text, however many there are; '' when there is none."""
    if keyword not in ds or ds[keyword].is_empty:
        return ""
    value = ds[keyword].value
    values = value if ds[keyword].VM > 1 else [value]
    joined = "\\".join(getattr(each, "original_string", None) or str(each) for each in values)
    return joined.strip() if dictionary_VR(keyword) != "PN" else re.sub("=+$", "", joined)


def first_of_its_uid(file: Sendable) -> Sendable:
    """The corpus has objects that share UIDs; the first one sent stays current."""
    series = _series(file.path)
    return next(
        other for other in FILES if other.sop_instance == file.sop_instance and _series(other.path) == series
    )


_cache: dict[Path, str] = {}


def _series(path: Path) -> str:
    if path not in _cache:
        header = dcmread(path, stop_before_pixels=True, force=True, specific_tags=["SeriesInstanceUID"])
        _cache[path] = str(header.get("SeriesInstanceUID"))
    return _cache[path]
