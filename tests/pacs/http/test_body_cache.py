"""What is kept ready: the same bytes again, and never more than there is room for."""

from __future__ import annotations

import gzip
import os

import pytest

from pacs.http import body_cache
from pacs.http.body_cache import Body, BodyCache

PIECES = [b"first", os.urandom(300_000), b"second" * 100_000, b"last"]


@pytest.mark.parametrize("packed", [False, True])
def test_what_goes_through_is_kept(packed: bool) -> None:
    kept = BodyCache()
    sent = b"".join(kept.keeping("key", PIECES, lambda: True, packed))
    assert (gzip.decompress(sent) if packed else sent) == b"".join(PIECES)
    body = kept.get("key")
    assert body is not None and kept.get("other") is None
    assert gzip.decompress(b"".join(body.stream)) == b"".join(PIECES)
    assert (body.packed, body.size) == (sum(map(len, body.stream)), sum(map(len, PIECES)))


def test_what_breaks_off_or_is_not_whole_is_not_kept() -> None:
    kept = BodyCache()
    cut = kept.keeping("cut", PIECES, lambda: True, gzip=False)
    next(cut)
    cut.close()
    assert list(kept.keeping("part", PIECES, lambda: False, gzip=False))
    assert kept.get("cut") is kept.get("part") is None


def test_what_is_too_large_goes_through_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_cache, "LARGEST", 200_000)
    kept = BodyCache()
    sent = b"".join(kept.keeping("key", PIECES, lambda: True, gzip=True))
    assert gzip.decompress(sent) == b"".join(PIECES)
    assert kept.get("key") is None


def test_the_least_lately_used_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_cache, "MOST", 100)
    kept = BodyCache()
    for key in "abc":
        kept.put(key, Body((), 33, 0))
    assert kept.get("a")
    kept.put("a", Body((), 34, 0))
    kept.put("d", Body((), 33, 0))
    assert [bool(kept.get(key)) for key in "abcd"] == [True, False, True, True]
