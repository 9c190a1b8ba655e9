"""What is compressed here, every other reader of these formats reads."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.deflate import compress, decompress, gzipped


@given(st.binary())
def test_one_piece(data: bytes) -> None:
    assert decompress(compress(data)) == data
    assert zlib.decompress(compress(data)) == data
    assert decompress(zlib.compress(data)) == data


@given(st.lists(st.binary()))
def test_many_pieces(pieces: list[bytes]) -> None:
    assert gzip.decompress(b"".join(gzipped(pieces))) == b"".join(pieces)


def test_it_comes_piece_by_piece() -> None:
    lines = (b"%d\n" % n for n in range(1 << 18))
    assert next(gzipped(lines)) and next(lines)


@pytest.mark.parametrize("cut", [0, 10, -1])
def test_what_is_cut_off_is_no_answer(cut: int) -> None:
    with pytest.raises(Exception, match=r"incomplete|truncated"):
        decompress(compress(bytes(range(256)) * 100)[:cut])
