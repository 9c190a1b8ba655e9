from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from storage import clock
from storage.blobs import BlobStore
from storage.database import Database
from storage.upkeep.reconcile import LAST_MOMENTS, reconcile
from storage.upkeep.verify import Affected, Kind
from tests.storage.blobs.worlds import damage
from tests.storage.received import uid
from tests.storage.shelf import LATER, Shelf, shelf_of


@pytest.fixture
def shelf(database: Database, blobs: BlobStore) -> Iterator[Shelf]:
    with shelf_of(database, blobs) as opened:
        yield opened


KILLED = """
import os, sys
from pathlib import Path
from storage.blobs.spool import Spool, SpoolLimits
spool = Spool(Path(sys.argv[1]), SpoolLimits(reserve=0), durable=True)
for _ in range(3):
    file = spool.open()
    file.write(b"not acknowledged" * 100_000)
os._exit(9)
"""


def killed_sender(root: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(root)], check=False, timeout=240)


def test_nothing_happened(shelf: Shelf) -> None:
    done = reconcile(shelf.database, shelf.blobs)
    assert (done.abandoned, done.removed, done.checked, done.damage) == (0, 0, 0, ())


def test_the_spool_of_the_dead_goes_and_that_of_the_living_stays(shelf: Shelf) -> None:
    with shelf.blobs.spool() as mine:
        mine.write(b"still coming")
        killed_sender(shelf.blobs.spool_root)
        assert reconcile(shelf.database, shelf.blobs).abandoned == 3
        assert len(list(shelf.blobs.spool_root.iterdir())) == 1
        blob = shelf.blobs.publish(mine)
    assert shelf.blobs.missing([blob]) == []


def test_removals_under_way_are_finished(shelf: Shelf) -> None:
    item = shelf.store(b"gone")
    shelf.forget(item)
    shelf.sweep().claim(datetime.now(UTC) + LATER)
    assert reconcile(shelf.database, shelf.blobs).removed == 1
    assert shelf.states() == {}
    assert shelf.blobs.missing([item.blob]) == [item.blob]


def test_damage_in_the_last_moments_is_named(shelf: Shelf) -> None:
    shelf.store(b"whole", instance=1)
    torn, lost = shelf.store(b"torn", instance=2), shelf.store(b"lost", instance=3)
    damage(shelf.blobs, torn.blob, b"to")
    shelf.blobs.delete([lost.blob.address])
    with structlog.testing.capture_logs() as log:
        done = reconcile(shelf.database, shelf.blobs)
    assert done.checked == 3
    assert {finding.subject: finding.affected for finding in done.damage} == {
        torn.blob.address: (Affected(1, uid(1, 1, 2)),),
        lost.blob.address: (Affected(1, uid(1, 1, 3)),),
    }
    assert {finding.kind for finding in done.damage} == {Kind.MISSING}
    named = [entry["instances"] for entry in log if entry["event"] == "damage"]
    assert sorted(named) == [[uid(1, 1, 2)], [uid(1, 1, 3)]]


def test_the_last_moments_are_those_before_the_end_however_long_ago(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = datetime.now(UTC) - timedelta(days=30)
    for content, study, instance, at in (
        (b"before", 1, 1, end - 2 * LAST_MOMENTS),
        (b"early, of a study that went on", 2, 1, end - 2 * LAST_MOMENTS),
        (b"last but one", 2, 2, end - LAST_MOMENTS / 2),
        (b"last", 3, 1, end),
    ):
        monkeypatch.setattr(clock, "told", lambda connection, at=at: at)
        shelf.store(content, study=study, instance=instance)
    assert reconcile(shelf.database, shelf.blobs).checked == 2
