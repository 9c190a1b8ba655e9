"""Prepared metadata: the same text as from the object, whatever address it is seen under."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.dicom.header import Element
from pacs.dicom.json import Path, to_json
from pacs.dicom.part10 import read_part10
from pacs.dicom.reader import read_header
from pacs.dicom.source import BytesSource, FileSource
from pacs.errors import NotFound, PacsError
from pacs.prepared import bulk_path, is_short, parse_bulk_path, prepare, with_uri
from tests.corpus import corpus_files, needs_corpus
from tests.pacs.dicom.build import CLASS, EXPLICIT, ITEM, bare, long, short

URI = 'https://pacs.example/"a"/dicom-web/studies/1/series/2/instances/3'
UTF_8 = short(0x00080005, "CS", b"ISO_IR 192")


def said(data: bytes, uri: str = URI) -> dict[str, object]:
    found: dict[str, object] = orjson.loads(with_uri(prepare(read_header(BytesSource(data), EXPLICIT)), uri))
    return found


def test_bulk_data_is_named_below_the_instance() -> None:
    waveform = bare(ITEM) + bare(ITEM, long(0x54001010, "OW", bytes(2000)))
    data = CLASS + long(0x54000100, "SQ", waveform) + long(0x7FE00010, "OW", b"12")
    found = said(data)
    assert found["7FE00010"] == {"vr": "OW", "BulkDataURI": f"{URI}/bulkdata/7FE00010"}
    inner = {"54001010": {"vr": "OW", "BulkDataURI": f"{URI}/bulkdata/54000100/1/54001010"}}
    assert found["54000100"] == {"vr": "SQ", "Value": [{}, inner]}


@given(st.text(max_size=40))
def test_no_text_is_taken_for_a_uri(value: str) -> None:
    encoded = value.encode("utf-8", "replace").replace(b"\\", b"\0")
    header = read_header(BytesSource(UTF_8 + short(0x00104000, "LT", encoded + b"x\0u0000 \0y")), EXPLICIT)
    assert orjson.loads(with_uri(prepare(header), URI)) == to_json(header)


@given(st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=4), st.lists(st.integers(0, 10**9 - 1)))
def test_paths_are_read_back(tags: list[int], items: list[int]) -> None:
    path: Path = (tags[0], *(step for pair in zip(items, tags[1:], strict=False) for step in pair))
    assert parse_bulk_path(bulk_path(path)) == path
    assert parse_bulk_path(bulk_path(path).lower()) == path


@pytest.mark.parametrize(
    "given", ["", "/", "7FE00010/", "7FE00010/0", "7FE0001G", "7FE00010/-1/7FE00010", "a" * 9]
)
def test_what_is_no_path(given: str) -> None:
    with pytest.raises(NotFound):
        parse_bulk_path(given)


def test_nobody_waits_for_long_headers() -> None:
    many = CLASS + long(0x00081140, "SQ", bare(ITEM) * 6000)
    much = CLASS + b"".join(long(0x00091000 + n, "UT", b"x" * 60_000) for n in range(5))
    for data in (many, much):
        assert not is_short(read_header(BytesSource(data), EXPLICIT))
    pixels = CLASS + long(0x7FE00010, "OW", bytes(1_000_000))
    assert is_short(read_header(BytesSource(pixels), EXPLICIT))


@needs_corpus
def test_the_corpus_is_said_as_it_is() -> None:
    def bulk(path: Path, element: Element) -> str:
        return f"{URI}/bulkdata/{bulk_path(path)}"

    checked = 0
    for file in corpus_files():
        with FileSource(file) as source:
            try:
                part10 = read_part10(source)
                header = read_header(source, part10.transfer_syntax, part10.dataset_offset)
            except PacsError:
                continue
            assert orjson.loads(with_uri(prepare(header), URI)) == to_json(header, bulk), file
            checked += 1
    assert checked > 400
