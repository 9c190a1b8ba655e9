"""Where the corpus of real DICOM files is, when it is there at all."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path

import pytest
from pydicom import dcmread

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

needs_corpus = pytest.mark.skipif(
    not SHARED_DATA.is_dir(), reason="the corpus of real files is not there: put it at ../shared/data"
)


def corpus_files() -> list[Path]:
    """Every file of the corpus but its two tables of contents; empty when there is no corpus."""
    if not SHARED_DATA.is_dir():
        return []
    return sorted(p for p in SHARED_DATA.rglob("*") if p.is_file() and p.suffix not in {".md", ".tsv"})


def one_of_each_kind() -> list[Path]:
    """The first file of each SOP class in each transfer syntax, of those that pydicom reads.

    Another one shares its UID with one of these; which of them came first would be chance.
    """
    found: dict[object, Path] = {}
    for path in corpus_files():
        with warnings.catch_warnings(action="ignore"), suppress(Exception):
            header = dcmread(path, force=True, stop_before_pixels=True)
            found.setdefault((header.get("SOPClassUID"), header.file_meta.get("TransferSyntaxUID")), path)
    return list(found.values())
