"""What is made on the way out comes back as it went in, and leaves the disk its reserve."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pacs.dicom.limits import Limits
from pacs.dicom.scratch import IN_MEMORY, Scratch
from pacs.errors import StorageFull

PIECE = bytes(range(256)) * 1024


@pytest.mark.parametrize("count", [1, IN_MEMORY // len(PIECE), 40])
def test_what_went_in_comes_out_as_often_as_one_likes(tmp_path: Path, count: int) -> None:
    with Scratch(Limits(scratch_folder=str(tmp_path))) as scratch:
        for _ in range(count):
            scratch.write(PIECE)
        assert scratch.size == count * len(PIECE)
        for _ in range(2):
            assert b"".join(scratch.pieces()) == PIECE * count
        assert scratch.read_at(255, 3) == b"\xff\0\1"
    assert not list(tmp_path.iterdir())


def test_the_reserve_stays_free(tmp_path: Path) -> None:
    """What memory holds needs no disk."""
    limits = Limits(scratch_folder=str(tmp_path), reserve=shutil.disk_usage(tmp_path).total)
    with Scratch(limits) as scratch:
        for _ in range(IN_MEMORY // len(PIECE)):
            scratch.write(PIECE)
        with pytest.raises(StorageFull):
            scratch.write(PIECE)
