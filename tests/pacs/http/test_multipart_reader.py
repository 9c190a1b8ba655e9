"""Multipart bodies as they should be and as senders make them, however they are cut into chunks."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pacs.http.multipart_reader import (
    MAX_HEADER,
    MAX_PREAMBLE,
    MalformedMultipart,
    MultipartReader,
    PartBegins,
    PartData,
    PartEnds,
)

Parts = list[tuple[dict[str, str], bytes, bool]]
"""Header fields, data, and whether the part's end has come."""


def read(chunks: Iterable[bytes], boundary: str = "b") -> Parts:
    """What the events come to; `MalformedMultipart` is for the caller."""
    parts: Parts = []
    reader = MultipartReader(boundary)
    for chunk in chunks:
        _take(reader, chunk, parts)
    reader.close()
    return parts


def _take(reader: MultipartReader, chunk: bytes, parts: Parts) -> None:
    for event in reader.feed(chunk):
        match event:
            case PartBegins(headers):
                parts.append((dict(headers), b"", False))
            case PartData(data):
                assert data and not parts[-1][2]
                parts[-1] = (parts[-1][0], parts[-1][1] + data, False)
            case PartEnds():
                parts[-1] = (*parts[-1][:2], True)


CT = {"content-type": "application/dicom"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"--b\r\nContent-Type: application/dicom\r\n\r\nABC\r\n--b--\r\n", [(CT, b"ABC")]),
        (b"\r\n--b\r\nContent-Type: application/dicom\r\n\r\nABC\r\n--b--", [(CT, b"ABC")]),
        (b"preamble\r\n--b\r\n\r\nABC\r\n--b--\r\nepilogue\r\n--b\r\n\r\nno part", [({}, b"ABC")]),
        (b"--b\nContent-Type: application/dicom\n\nABC\r\n--b--\n", [(CT, b"ABC\r")]),
        (b"--b\r\nContent-Type: application/dicom\n\nABC\n--b--", [(CT, b"ABC")]),
        (b"--b\r\n\r\nA\r\n--b\r\n\r\nB\r\n--b--", [({}, b"A"), ({}, b"B")]),
        (b"--b\r\n\r\n\r\n--b--", [({}, b"")]),
        (b"--b\r\n\r\n--b--", [({}, b"")]),
        (b"--b\n\n\n--b--", [({}, b"")]),
        (b"--b \t\r\n\r\nA\r\n--b--", [({}, b"A")]),
        (b"--b\r\n\r\nA\r\n--bc\r\n--b-\r\n--b--", [({}, b"A\r\n--bc\r\n--b-")]),
        (b"--b\r\n\r\nA\r\n--b" + b" " * 65 + b"\r\nB\r\n--b--", [({}, b"A\r\n--b" + b" " * 65 + b"\r\nB")]),
        (b"--b\r\n\r\nA\r\r\n--b--", [({}, b"A\r")]),
        (b"--b\r\n\r\n--\n\n\r\n\r\r\n--b--", [({}, b"--\n\n\r\n\r")]),
        (b"--b\r\nX: 1\r\n 2\r\nx: 3\r\nnoise\r\n\r\n\r\n--b--", [({"x": "1 2"}, b"")]),
        (b"--b--", []),
    ],
)
def test_bodies(body: bytes, expected: list[tuple[dict[str, str], bytes]]) -> None:
    whole = [(headers, data, True) for headers, data in expected]
    assert read([body]) == whole
    assert read(body[i : i + 1] for i in range(len(body))) == whole


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary at all",
        b"--b\r\n",
        b"--b\r\n\r\nABC",
        b"--b\r\n\r\nABC\r\n--b",
        b"--b\r\nX: " + b"x" * MAX_HEADER + b"\r\n\r\nABC\r\n--b--",
    ],
)
def test_what_is_no_multipart_is_refused(body: bytes) -> None:
    for chunks in ([body], [body[i : i + 1] for i in range(len(body))]):
        with pytest.raises(MalformedMultipart):
            read(chunks)


@pytest.mark.parametrize("boundary", ["", " ", "a\r\nb", "é", "x" * 71])
def test_boundaries_that_cannot_be(boundary: str) -> None:
    with pytest.raises(MalformedMultipart):
        MultipartReader(boundary)


def test_a_part_whose_end_does_not_come_has_none() -> None:
    parts: Parts = []
    reader = MultipartReader("b")
    _take(reader, b"--b\r\n\r\nA\r\n--b\r\n\r\nB", parts)
    assert parts == [({}, b"A", True), ({}, b"B", False)]


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
def test_a_preamble_has_an_end(size: int) -> None:
    def read(preamble: int) -> None:
        reader, body = MultipartReader("b"), b"x" * preamble + b"\r\n--b\r\n\r\n--b--"
        for start in range(0, len(body), size):
            list(reader.feed(body[start : start + size]))
        reader.close()

    read(MAX_PREAMBLE)
    with pytest.raises(MalformedMultipart):
        read(MAX_PREAMBLE + 1)


def test_little_is_held_back() -> None:
    reader = MultipartReader("b" * 70)
    list(reader.feed(b"--" + b"b" * 70 + b"\r\n\r\n"))
    for chunk in (bytes(1 << 20), b"\r\n" * 1000, b"\r\n--" + b"b" * 70, b" " * 64):
        list(reader.feed(chunk))
        assert len(reader._buffer) < 200


cuts = st.lists(st.integers(0, 400), max_size=40)
noise = st.lists(
    st.sampled_from([b"\r", b"\n", b"--", b"-", b"b", b"--b", b"\r\n--b", b"\n--b", b" ", b"A:", b"\0"])
).map(b"".join)


@given(noise, cuts, st.sampled_from([b"--b\r\n", b"--b\n", b"--b\r\n\r\n", b"--b\n\n", b""]))
@example(b"A" * 30 + b"\r\n--b" + b" " * 64 + b"\r\n\r\nx\r\n--b--", list(range(120)), b"--b\r\n\r\n")
def test_every_chunking_gives_the_same(noise: bytes, cuts: list[int], start: bytes) -> None:
    body = start + noise + b"\r\n--b--"
    places = sorted({0, *(cut for cut in cuts if cut < len(body)), len(body)})
    pieces = [body[a:b] for a, b in pairwise(places)]
    assert _outcome(pieces) == _outcome([body]) == _outcome([body[i : i + 1] for i in range(len(body))])


def _outcome(chunks: list[bytes]) -> tuple[Parts, bool]:
    parts: Parts = []
    reader = MultipartReader("b")
    for chunk in chunks:
        _take(reader, chunk, parts)
    with suppress(MalformedMultipart):
        reader.close()
        return parts, True
    return parts, False


contents = st.binary(max_size=50).filter(lambda data: b"--b" not in data)


@given(st.lists(contents, max_size=5), st.sampled_from([b"\r\n", b"\n"]), cuts)
def test_what_is_written_is_read(contents: list[bytes], newline: bytes, cuts: list[int]) -> None:
    parts = [b"--b" + newline + b"A: 1" + newline + newline + data + newline for data in contents]
    body = b"".join((*parts, b"--b--"))
    places = sorted({0, *(cut for cut in cuts if cut < len(body)), len(body)})
    assert read(body[a:b] for a, b in pairwise(places)) == [({"a": "1"}, data, True) for data in contents]
