"""The real files that the tests read: the corpus, and those that come with pydicom."""

from __future__ import annotations

import warnings
from pathlib import Path

import pydicom
import pytest

from pacs.dicom.part10 import read_part10
from pacs.dicom.reader import Header, read_header
from pacs.dicom.source import FileSource
from tests.corpus import SHARED_DATA, corpus_files

BUNDLED = Path(pydicom.__file__).parent / "data"


def _bundled() -> list[Path]:
    return sorted(path for path in BUNDLED.rglob("*.dcm") if path.is_file())


def name(path: Path) -> str:
    root = SHARED_DATA if path.is_relative_to(SHARED_DATA) else BUNDLED
    return str(path.relative_to(root))


REAL_FILES = [pytest.param(path, id=name(path)) for path in [*_bundled(), *corpus_files()]]


def open_header(path: Path) -> tuple[FileSource, Header]:
    source = FileSource(path)
    part10 = read_part10(source)
    return source, read_header(source, part10.transfer_syntax, part10.dataset_offset)


def pydicom_reads(path: Path) -> pydicom.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path, force=True)
