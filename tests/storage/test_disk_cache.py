"""The cache on disk: within its limit at every moment, and never a wrong answer."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacs.model import CacheStatistics
from storage import shared_figures
from storage.disk_cache import DiskCache

LIMIT = 100_000
LONG = 1000.0


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[DiskCache]:
    made = DiskCache(tmp_path / "cache", LIMIT)
    yield made
    made.close()


def files(folder: Path) -> list[Path]:
    return [path for path in (folder / "cache").rglob("*") if path.is_file() and path.name != "figures"]


def held(folder: Path) -> int:
    return sum(path.stat().st_size for path in files(folder))


def test_what_is_put_is_there_for_its_organisation_alone(cache: DiskCache) -> None:
    cache.put(1, "blake3:aa", "a key", b"picture")
    assert cache.get(1, "blake3:aa", "a key", LONG) == b"picture"
    assert cache.get(2, "blake3:aa", "a key", LONG) is None
    assert cache.get(1, "blake3:ab", "a key", LONG) is None
    assert cache.get(1, "blake3:aa", "another", LONG) is None
    assert cache.statistics(2).entries == 0


def test_names_of_strangers_are_no_paths(cache: DiskCache, tmp_path: Path) -> None:
    cache.put(1, "../../../etc", "../../passwd\0", b"x")
    assert cache.get(1, "../../../etc", "../../passwd\0", LONG) == b"x"
    assert len(files(tmp_path)) == 1


def test_it_ages(cache: DiskCache, tmp_path: Path) -> None:
    cache.put(1, "a", "k", b"picture")
    (path,) = files(tmp_path)
    before = time.time() - 100
    os.utime(path, (before, before))
    assert cache.get(1, "a", "k", 200) == b"picture"
    assert cache.get(1, "a", "k", 50) is None
    assert files(tmp_path) == []


def test_use_does_not_make_it_younger(cache: DiskCache, tmp_path: Path) -> None:
    cache.put(1, "a", "k", b"picture")
    (path,) = files(tmp_path)
    before = time.time() - 100
    os.utime(path, (before, before))
    cache.get(1, "a", "k", 200)
    assert path.stat().st_mtime == pytest.approx(before, abs=1)
    assert path.stat().st_atime > before + 50


@pytest.mark.parametrize("harm", [b"", b"pc", b"pcF1\0\0\0\0", b"pcF1\0\0\0\0picture", bytes(range(50))])
def test_a_damaged_file_is_a_miss_and_goes(cache: DiskCache, tmp_path: Path, harm: bytes) -> None:
    cache.put(1, "a", "k", b"picture")
    (path,) = files(tmp_path)
    path.write_bytes(harm)
    if harm == b"pcF1\0\0\0\0":  # the checksum of nothing
        assert cache.get(1, "a", "k", LONG) == b""
        return
    assert cache.get(1, "a", "k", LONG) is None
    assert files(tmp_path) == []
    cache.put(1, "a", "k", b"picture")
    assert cache.get(1, "a", "k", LONG) == b"picture"


def test_the_limit_holds_at_every_moment(cache: DiskCache, tmp_path: Path) -> None:
    chance = random.Random(7)
    other = DiskCache(tmp_path / "cache", LIMIT)  # as another process has it
    for number in range(300):
        size = chance.randrange(10, 9_000)
        (cache if number % 2 else other).put(number % 3, f"object {number}", "k", bytes(size))
        assert held(tmp_path) <= LIMIT
    assert held(tmp_path) > LIMIT // 2
    other.close()


def test_what_was_used_lately_stays(cache: DiskCache, tmp_path: Path) -> None:
    for number in range(9):
        cache.put(1, f"object {number}", "k", bytes(10_000))
    for age, path in enumerate(sorted(files(tmp_path), key=lambda path: path.stat().st_mtime_ns)):
        before = time.time() - 500 + age
        os.utime(path, (before, before))
    assert cache.get(1, "object 0", "k", LONG) is not None
    cache.put(1, "one more", "k", bytes(20_000))
    assert cache.get(1, "object 0", "k", LONG) is not None
    assert cache.get(1, "one more", "k", LONG) is not None
    assert cache.get(1, "object 1", "k", LONG) is None


def test_replacing_counts_once(cache: DiskCache, tmp_path: Path) -> None:
    for _ in range(50):
        cache.put(1, "a", "k", bytes(10_000))
    cache.put(1, "b", "k", bytes(30_000))
    assert cache.get(1, "a", "k", LONG) is not None
    assert cache.get(1, "b", "k", LONG) is not None


def test_what_would_fill_half_of_it_is_not_kept(cache: DiskCache, tmp_path: Path) -> None:
    cache.put(1, "a", "k", bytes(60_000))
    assert files(tmp_path) == []


def test_nothing_is_kept_when_nothing_may_be(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache", 0)
    cache.put(1, "a", "k", b"x")
    assert cache.get(1, "a", "k", LONG) is None
    cache.close()


def test_an_object_is_forgotten_with_all_that_was_made_of_it(cache: DiskCache) -> None:
    for key in ("k", "l", "m"):
        cache.put(1, "a", key, b"x")
        cache.put(1, "b", key, b"x")
        cache.put(2, "a", key, b"x")
    cache.forget(1, "a")
    assert all(cache.get(1, "a", key, LONG) is None for key in ("k", "l", "m"))
    assert cache.statistics(1).entries == cache.statistics(2).entries == 3


def test_it_works_on_after_somebody_emptied_its_folder(cache: DiskCache, tmp_path: Path) -> None:
    for number in range(9):
        cache.put(1, f"object {number}", "k", bytes(10_000))
    for path in files(tmp_path):
        path.unlink()
    for number in range(9):
        cache.put(1, f"object {number}", "k", bytes(10_000))
    assert cache.get(1, "object 8", "k", LONG) is not None


def test_the_figures_are_true_whatever_happens_and_take_no_walk(cache: DiskCache, tmp_path: Path) -> None:
    other = DiskCache(tmp_path / "cache", LIMIT)
    for number in range(60):
        (cache if number % 2 else other).put(1 + number % 2, f"object {number % 7}", "k", bytes(4000))
    other.forget(1, "object 3")
    assert cache.get(2, "object 1", "k", -1) is None
    here = list(map(cache.statistics, (1, 2)))
    for organization, figures in enumerate(here, 1):
        sizes = [path.stat().st_size for path in (tmp_path / "cache" / str(organization)).rglob("*,*")]
        assert (figures.entries, figures.bytes) == (len(sizes), sum(sizes))
    shutil.rmtree(tmp_path / "cache" / "1")  # nobody looks there to answer
    assert list(map(cache.statistics, (1, 2))) == here
    other.close()


def test_uses_are_counted_by_all_processes_together(cache: DiskCache, tmp_path: Path) -> None:
    other = DiskCache(tmp_path / "cache", LIMIT)
    for hit in (True, False, False):
        for each in (cache, other):
            each.count(7, hit)
    for number in range(9):  # more than there is room for: what lies there is counted anew
        cache.put(1, f"object {number}", "k", bytes(20_000))
    assert (other.statistics(7).hits, other.statistics(7).misses) == (2, 4)
    assert (other.statistics(1).hits, other.statistics(1).misses) == (0, 0)
    assert cache.statistics(6) == CacheStatistics()
    other.close()


def test_what_an_earlier_build_left_is_counted(tmp_path: Path) -> None:
    (tmp_path / "cache" / "1" / "ab").mkdir(parents=True)
    (tmp_path / "cache" / "1" / "ab" / ("ab" * 32)).write_bytes(bytes(70_000))
    cache = DiskCache(tmp_path / "cache", LIMIT)
    assert cache.statistics(1).bytes == 70_000
    cache.put(1, "a", "k", bytes(40_000))
    assert held(tmp_path) <= LIMIT
    cache.close()


@pytest.mark.parametrize("call", ["os.pwrite", "os.open", "os.writev", "os.replace", "os.makedirs"])
def test_a_full_disk_keeps_nothing_and_harms_nobody(
    cache: DiskCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*given: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    cache.put(1, "a", "k", b"x")
    with monkeypatch.context() as patched:
        patched.setattr(call, full, raising=False)
        cache.put(1, "b", "k", b"y")
        cache.count(1, hit=True)
    assert [cache.get(1, address, "k", LONG) for address in "ab"] == [b"x", None]
    assert cache.statistics(1).entries == len(files(tmp_path)) == 1
    cache.put(1, "b", "k", b"y")
    assert cache.get(1, "b", "k", LONG) == b"y"


def test_a_file_cut_short_is_not_kept(
    cache: DiskCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "writev", lambda file, parts: os.write(file, parts[0]))
        cache.put(1, "a", "k", b"x")
    assert cache.get(1, "a", "k", LONG) is None
    assert cache.statistics(1).entries == len(files(tmp_path)) == 0


def test_its_folder_may_be_gone(cache: DiskCache, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "cache")
    assert [list(cache.shard(number)) for number in range(2)] == [[], []]
    cache.put(1, "a", "k", b"x")
    assert cache.get(1, "a", "k", LONG) == b"x"


def test_nobody_waits_for_a_frozen_process(
    cache: DiskCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked for a picture waited as long as the process that held the figures was stopped."""
    monkeypatch.setattr(shared_figures, "LOCK_TIMEOUT", 0.02)
    cache.put(1, "blake3:aa", "a key", b"picture")
    with open(tmp_path / "cache" / "figures", "rb") as figures:
        fcntl.flock(figures, fcntl.LOCK_EX)
        cache.put(1, "blake3:aa", "another", b"picture")
        cache.count(1, True)
        cache.forget(1, "blake3:aa")
        assert cache.get(1, "blake3:aa", "a key", LONG) == b"picture"
        assert cache.get(1, "blake3:aa", "another", LONG) is None
        DiskCache(tmp_path / "cache", LIMIT).close()
    cache.count(1, True)
    assert cache.statistics(1) == CacheStatistics(1, held(tmp_path), 1, 0)


def test_a_late_thread_writes_to_no_other_file(tmp_path: Path) -> None:
    """Its figures went to whatever file had got the descriptor meanwhile, such as the database."""
    cache = DiskCache(tmp_path / "cache", LIMIT)
    number = cache._figures._fd
    cache.close()
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    os.dup2(other, number)
    try:
        cache.count(1, True)
        cache.put(1, "blake3:aa", "a key", b"picture")
    finally:
        for descriptor in {other, number}:
            os.close(descriptor)
    assert (tmp_path / "other").stat().st_size == 0
