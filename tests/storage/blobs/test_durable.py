"""What is on stable storage when: the bytes before their name, the name before anybody hears of success."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from pkgutil import resolve_name

import pytest

from storage.blobs import LocalBlobs, SpoolLimits
from storage.blobs.address import ROOT, key
from tests.storage.blobs.worlds import publish


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalBlobs]:
    opened = LocalBlobs(tmp_path, SpoolLimits(reserve=0))
    yield opened
    opened.close()


_STEPS = {
    "storage.blobs.spooled.sync_data": "wait for the bytes",
    "storage.blobs.local.sync_data": "wait for the copy",
    "storage.blobs.local.sync_folder": "wait for {}",
    "os.link": "link",
    "os.replace": "replace",
}


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the operating system, in its order."""
    done: list[str] = []

    def noting(real: Callable[..., object], name: str) -> Callable[..., None]:
        def noted(*given: object, **more: object) -> None:
            real(*given, **more)
            done.append(name.format(*given))

        return noted

    for place, name in _STEPS.items():
        monkeypatch.setattr(place, noting(resolve_name(place), name))
    return done


def test_the_first_blob_of_all(local: LocalBlobs, steps: list[str], tmp_path: Path) -> None:
    """A folder that is not on the disk yet takes all that lies in it along."""
    blob = publish(local, b"first")
    above = [tmp_path / ROOT, *(tmp_path / each for each in Path(ROOT).parents)]
    made = [f"wait for {folder}" for folder in above]
    name = f"wait for {(tmp_path / key(blob.address)).parent}"
    assert steps == ["wait for the bytes", *made, "link", name]


def test_bytes_then_name_then_success(local: LocalBlobs, steps: list[str], tmp_path: Path) -> None:
    publish(local, b"first")
    steps.clear()
    blob = publish(local, b"second")
    name = f"wait for {(tmp_path / key(blob.address)).parent}"
    assert steps == ["wait for the bytes", "link", name]
    steps.clear()
    publish(local, b"second")  # the one who linked it may not have waited yet
    assert steps == ["wait for the bytes", name]


def test_where_there_are_no_links(
    local: LocalBlobs, steps: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    publish(local, b"first")
    steps.clear()
    monkeypatch.setattr(os, "link", refuse)
    blob = publish(local, b"second")
    name = f"wait for {(tmp_path / key(blob.address)).parent}"
    assert steps == ["wait for the bytes", "wait for the copy", "replace", name]


def test_the_mark(local: LocalBlobs, steps: list[str]) -> None:
    local.leave_mark("1 abc")
    assert steps == ["wait for the bytes", "replace"]
