from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from pacs.dicom import scratch, source
from pacs.dicom.limits import Limits
from pacs.dicom.source import BytesSource, FileSource, InflatedSource, ReadAhead
from pacs.errors import LimitExceeded

DATA = bytes(range(256)) * 40


def deflated(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


def test_all_sources_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    with FileSource(path) as file, InflatedSource(BytesSource(b"xx" + deflated(DATA)), 2) as inflated:
        for each in (BytesSource(DATA), file, inflated):
            assert each.size == len(DATA)
            assert each.read_at(0, 3) == DATA[:3]
            assert each.read_at(1000, 500) == DATA[1000:1500]
            assert each.read_at(len(DATA) - 2, 99) == DATA[-2:]
            assert each.read_at(len(DATA) + 5, 9) == b""
            assert each.read_at(3, 0) == b""


def test_a_descriptor_stays_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    descriptor = os.open(path, os.O_RDONLY)
    with FileSource(descriptor) as file:
        assert file.read_at(0, 1) == b"\0"
    os.close(descriptor)


def test_inflating_to_a_temporary_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "IN_MEMORY", 1000)
    monkeypatch.setattr(source, "CHUNK", 700)
    with InflatedSource(BytesSource(deflated(DATA))) as inflated:
        assert inflated.read_at(0, 1 << 20) == DATA
        assert not inflated.truncated


@pytest.mark.parametrize("cut", [0, 1, 20, -1])
def test_a_damaged_stream_is_truncated(cut: int) -> None:
    data = deflated(os.urandom(4000))
    with InflatedSource(BytesSource(data[:cut])) as inflated:
        assert inflated.truncated
    with InflatedSource(BytesSource(data[:100] + b"\xff" * 50 + data[150:])) as inflated:
        assert inflated.size <= 4100


@pytest.mark.parametrize(
    "limits",
    [Limits(inflated_bytes=10_000), Limits(inflate_free_bytes=1000, inflate_ratio=2)],
)
def test_limits(limits: Limits) -> None:
    with pytest.raises(LimitExceeded):
        InflatedSource(BytesSource(deflated(bytes(20_000))), limits=limits)


def test_reading_ahead_asks_once_for_a_window() -> None:
    class Counted(BytesSource):
        asked = 0

        def read_at(self, offset: int, length: int) -> bytes:
            self.asked += 1
            return super().read_at(offset, length)

    data = bytes(range(256)) * 8
    counted = Counted(data)
    ahead = ReadAhead(counted, window=1000)
    assert b"".join(ahead.read_at(offset, 16) for offset in range(0, len(data), 16)) == data
    assert counted.asked == 3
    assert ahead.read_at(5, 1500) == data[5:1505]
    assert ahead.read_at(0, 10) == data[:10]
    assert ahead.read_at(2040, 100) == data[2040:]
    assert ahead.size == len(data)
