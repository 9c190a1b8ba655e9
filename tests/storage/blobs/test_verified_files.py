"""What was found whole a moment ago is hashed again as soon as there is a reason, and not before."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from pacs.errors import Damaged
from storage.blobs import LocalBlobs, SpoolLimits, reading, verified_files
from storage.blobs.address import key
from storage.blobs.local import LocalReader
from storage.blobs.verified_files import LIFETIME, VerifiedFiles
from tests.storage.blobs.worlds import blob_of, damage, publish

SIZES = pytest.mark.parametrize("size", [9, reading.PIECE + 9], ids=["one piece", "read twice"])


class Hashed:
    """Counts how many blobs were hashed."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> blake3:
        self.count += 1
        return blake3()


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Hashed:
    hashed = Hashed()
    monkeypatch.setattr(reading, "blake3", hashed)
    return hashed


@pytest.fixture
def blobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalBlobs]:
    monkeypatch.setattr(verified_files, "SETTLED", -1e9)  # what was just written is old enough
    opened = LocalBlobs(tmp_path, SpoolLimits(reserve=0))
    yield opened
    opened.close()


def read(blobs: LocalBlobs, address: str, start: int = 0) -> bytes:
    with blobs.open(address) as reader:
        return b"".join(reader.verified(start))


@SIZES
def test_it_is_hashed_once(blobs: LocalBlobs, hashed: Hashed, size: int) -> None:
    content = os.urandom(size)
    blob = publish(blobs, content)
    assert [read(blobs, blob.address, start) for start in (3, 0, 5)] == [content[3:], content, content[5:]]
    assert hashed.count == 1


@SIZES
def test_whoever_must_know_hashes_it_again(blobs: LocalBlobs, hashed: Hashed, size: int) -> None:
    blob = publish(blobs, bytes(size))
    read(blobs, blob.address)
    assert blobs.holds(blob)
    assert hashed.count == 2


def test_what_was_changed_under_its_old_time_is_hashed_again(blobs: LocalBlobs) -> None:
    """As a faulty tool, or an attacker, would."""
    blob = publish(blobs, b"content")
    read(blobs, blob.address)
    path = blobs.spool_root.parent / key(blob.address)
    before = path.stat()
    path.write_bytes(b"CONTENT")
    while path.stat().st_ctime_ns == before.st_ctime_ns or path.stat().st_mtime_ns != before.st_mtime_ns:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # a tick of the filesystem's clock later
    with pytest.raises(Damaged):
        read(blobs, blob.address)


@SIZES
def test_what_was_touched_since_is_hashed_again(blobs: LocalBlobs, size: int) -> None:
    content = bytes(size)
    blob = publish(blobs, content)
    assert read(blobs, blob.address) == content
    damage(blobs, blob, b"X" + content[1:])
    for _ in range(2):
        with pytest.raises(Damaged):
            read(blobs, blob.address)


def test_what_was_left_half_way_is_not_known(
    blobs: LocalBlobs, hashed: Hashed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalReader, "read_twice", 0)
    blob = publish(blobs, bytes(2 * reading.PIECE))
    with blobs.open(blob.address) as reader:
        next(reader.verified())
    read(blobs, blob.address)
    assert hashed.count == 2


def test_it_lasts_for_a_while_and_has_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified_files, "CAPACITY", 3)
    now = [0.0]
    found = VerifiedFiles(lambda: now[0])
    file = tmp_path / "file"
    file.write_bytes(b"x")
    state = file.stat()
    found.note("young", state)
    assert not found.knows("young", state)
    monkeypatch.setattr(time, "time", lambda: state.st_ctime + verified_files.SETTLED + 1)
    for name in "abcd":
        found.note(name, state)
    assert [name for name in "abcd" if found.knows(name, state)] == ["b", "c", "d"]
    now[0] = LIFETIME
    assert not found.knows("d", state)
    assert not found.knows(blob_of(b"another").address, state)
