from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.errors import LimitExceeded, StorageFull
from storage.blobs import SpoolLimits
from storage.blobs.spool import Spool, abandoned, own_folder
from storage.blobs.spooled import PIECE, SpoolFile
from tests.storage.blobs.worlds import blob_of


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool", SpoolLimits(max_object=4 << 20, reserve=0), durable=True)
    yield opened
    opened.close()


def files(spool: Spool) -> list[Path]:
    return [path for path in spool.root.rglob("*") if path.is_file()]


@given(
    content=st.binary(max_size=3000),
    cuts=st.lists(st.integers(0, 3000), max_size=8),
    mark=st.integers(0, 3000),
    stretch=st.sampled_from([1, 100, 300]),
)
def test_the_address_does_not_depend_on_how_the_bytes_came(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, cuts: list[int], mark: int, stretch: int
) -> None:
    content *= stretch  # with pieces below, around and above those that are written at once
    mark = min(mark * stretch, len(content))
    ends = sorted({min(cut * stretch, len(content)) for cut in cuts} | {mark, len(content)})
    path = tmp_path_factory.mktemp("spool") / "x"
    with SpoolFile(path, 1 << 30, durable=False) as spooled:
        start = 0
        for end in ends:
            spooled.write(memoryview(content)[start:end])
            start = end
            if end == mark:
                spooled.mark_dataset()
        assert spooled.seal() == blob_of(content)
        assert spooled.dataset_offset == mark
        assert spooled.dataset_digest == blob_of(content[mark:]).address
        assert path.read_bytes() == content


def test_what_was_written_can_be_read_before_and_after_sealing(spool: Spool) -> None:
    with spool.open() as spooled:
        spooled.write(b"head")
        spooled.write(bytes(PIECE))
        spooled.write(b"tail")
        assert spooled.read_at(0, 5) == b"head\0"
        assert spooled.read_at(PIECE, 100) == bytes(4) + b"tail"
        spooled.seal()
        assert spooled.read_at(PIECE + 2, 100) == bytes(2) + b"tail"
        assert spooled.size == PIECE + 8


def test_sealing_twice_is_sealing_once(spool: Spool) -> None:
    with spool.open() as spooled:
        spooled.write(b"abc")
        assert spooled.seal() == spooled.seal() == spooled.blob


def test_leaving_the_context_throws_the_file_away(spool: Spool) -> None:
    with spool.open() as spooled:
        spooled.write(b"abc")
        spooled.seal()
        assert files(spool) == [spooled.path]
    assert files(spool) == []


def test_nobody_else_may_read_what_is_spooled(spool: Spool) -> None:
    with spool.open() as spooled:
        assert spooled.path.stat().st_mode & 0o037 == 0
        assert spooled.path.parent.stat().st_mode & 0o027 == 0


def test_an_object_above_the_limit_is_refused_and_leaves_nothing(spool: Spool) -> None:
    spooled = spool.open()
    with pytest.raises(LimitExceeded):
        for _ in range(5):
            spooled.write(bytes(1 << 20))
    assert files(spool) == []


def test_the_limit_is_exact_also_for_what_is_not_written_yet(tmp_path: Path) -> None:
    with SpoolFile(tmp_path / "x", 10, durable=False) as spooled:
        for _ in range(2):
            spooled.write(bytes(5))
        with pytest.raises(LimitExceeded):
            spooled.write(b"x")


def test_no_object_begins_below_the_reserve(tmp_path: Path) -> None:
    free = [10_000]
    spool = Spool(tmp_path, SpoolLimits(reserve=5000, free_space=lambda _: free[0]), durable=True)
    spool.open().discard()
    free[0] = 4999
    spool._looked -= 1  # a second later
    with pytest.raises(StorageFull):
        spool.open()
    free[0] = 5000
    spool._looked -= 1
    spool.open().discard()
    spool.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small filesystem")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_and_is_free_again_afterwards(small_disk: Path) -> None:
    spool = Spool(small_disk / "spool", SpoolLimits(reserve=0), durable=True)
    for _ in range(3):
        spooled = spool.open()
        with pytest.raises(StorageFull):
            for _ in range(10):
                spooled.write(bytes(200_000))
            spooled.seal()
        assert files(spool) == []
    with spool.open() as spooled:
        spooled.write(bytes(700_000))
        assert spooled.seal() == blob_of(bytes(700_000))
    spool.close()


OTHER_PROCESS = """
import os, sys
from pathlib import Path
from storage.blobs.spool import Spool, SpoolLimits
file = Spool(Path(sys.argv[1]), SpoolLimits(reserve=0), durable=True).open()
file.write(b"never acknowledged")
file.seal()
print(file.path.parent, flush=True)
sys.stdin.read()
os._exit(9)
"""


def test_only_folders_of_dead_processes_are_abandoned(spool: Spool) -> None:
    mine = spool.open().path.parent
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, str(spool.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    theirs = Path(process.stdout.readline().strip())
    assert theirs.is_dir() and theirs != mine
    assert list(abandoned(spool.root)) == []
    process.communicate()
    assert list(abandoned(spool.root)) == [theirs]


def test_what_another_node_removes_meanwhile_is_not_abandoned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that started at once: one ended in an error, as it listed what the other had removed."""
    folder, lock = tmp_path / "dead", fcntl.flock
    folder.mkdir()

    def late(descriptor: int, how: int) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    assert list(abandoned(tmp_path)) == []


def test_a_folder_that_is_taken_for_abandoned_before_it_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, removed = os.open, list[str]()

    def late(path: Path, *how: int) -> int:
        if not removed:
            removed.append(str(path))
            os.rmdir(path)
        return real(path, *how)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", late)
        folder, lock = own_folder(tmp_path)
    os.close(lock)
    assert removed and list(tmp_path.iterdir()) == [folder]


def test_a_closed_spool_leaves_nothing(spool: Spool) -> None:
    spool.open().write(b"x")
    spool.close()
    assert list(spool.root.iterdir()) == []
