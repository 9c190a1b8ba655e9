"""Where the corpus of real DICOM files is, when it is there at all."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

needs_corpus = pytest.mark.skipif(
    not SHARED_DATA.is_dir(), reason="the corpus of real files is not there: put it at ../shared/data"
)


def corpus_files() -> list[Path]:
    """Every file of the corpus but its two tables of contents; empty when there is no corpus."""
    if not SHARED_DATA.is_dir():
        return []
    return sorted(p for p in SHARED_DATA.rglob("*") if p.is_file() and p.suffix not in {".md", ".tsv"})
