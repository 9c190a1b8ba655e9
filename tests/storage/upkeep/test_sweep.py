from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sqlite3 import connect

import pytest
from sqlalchemy import text

from pacs.actor import system_actor
from pacs.errors import BlobVanishing, DatabaseUnavailable, Unavailable
from pacs.model import AuditRecord, Blob
from storage.blobs import BlobStore, LocalBlobs, SpoolLimits
from storage.commits import CommitLimits
from storage.database import Database
from storage.feeds import transaction
from storage.index import open_entries
from storage.migrations import upgrade
from storage.references import References, give_up
from storage.study_management.deleting import DeletionRequest, delete_objects
from storage.upkeep import mark
from storage.upkeep.reconcile import finish_removals, reconcile
from storage.upkeep.sweep import GRACE, Sweep, Swept
from tests.storage.blobs.worlds import unremovable
from tests.storage.clocks import SLOW_AND_FAST, set_wrong
from tests.storage.shelf import LATER, Shelf, shelf_of


@pytest.fixture
def shelf(database: Database, blobs: BlobStore) -> Iterator[Shelf]:
    with shelf_of(database, blobs) as opened:
        yield opened


def there(shelf: Shelf, blob: Blob) -> bool:
    return shelf.blobs.missing([blob]) == []


def test_what_is_referred_to_stays(shelf: Shelf) -> None:
    item = shelf.store(b"kept")
    assert shelf.sweep(LATER).run().removed == 0
    assert there(shelf, item.blob)


def test_what_nothing_refers_to_goes_after_the_grace(shelf: Shelf) -> None:
    kept, gone = shelf.store(b"kept"), shelf.store(b"gone", instance=2)
    shelf.forget(gone)
    assert shelf.sweep().run().removed == 0
    assert there(shelf, gone.blob)
    assert shelf.sweep(LATER).run().removed == 1
    assert not there(shelf, gone.blob)
    assert shelf.states() == {kept.blob.address: "live"}


@SLOW_AND_FAST
def test_the_grace_is_by_the_clock_of_all_nodes(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, wrong: timedelta
) -> None:
    item = shelf.store(b"gone")
    with monkeypatch.context() as there:
        set_wrong(there, wrong, "storage.feeds")
        with transaction(shelf.database) as under_way:
            under_way.connection.execute(text("DELETE FROM versions"))
            give_up(under_way.connection, item.blob.address, 1)
    assert shelf.sweep().run().removed == 0
    assert shelf.sweep(LATER).run().removed == 1


def test_a_reference_outweighs_a_wrong_count(shelf: Shelf) -> None:
    item = shelf.store(b"kept")
    shelf.run("UPDATE blobs SET refcount = 0, unreferenced_since = 0")
    assert shelf.sweep(LATER).run().removed == 0
    assert there(shelf, item.blob)


def test_what_is_kept_of_a_deletion_outweighs_a_wrong_count(shelf: Shelf) -> None:
    item = shelf.store(b"kept")
    delete_objects(
        shelf.database, DeletionRequest(item.actor, item.identity.study_instance_uid, None, "test")
    )
    shelf.run("UPDATE blobs SET refcount = 0, unreferenced_since = 0")
    assert shelf.sweep(LATER).run().removed == 0
    assert there(shelf, item.blob)


def test_a_blob_stored_again_within_the_grace_stays(shelf: Shelf) -> None:
    item = shelf.store(b"again")
    shelf.forget(item)
    shelf.store(b"again", instance=2)
    assert shelf.sweep(LATER).run().removed == 0
    assert there(shelf, item.blob)


def test_orphans_go_when_they_are_old(shelf: Shelf) -> None:
    kept = shelf.store(b"kept")
    orphan = shelf.publish(b"never entered")
    young = shelf.sweep().run()
    assert (young.removed, young.orphans) == (0, 0)
    assert there(shelf, orphan)
    old = shelf.sweep(LATER).run()
    assert (old.removed, old.orphans) == (1, 1)
    assert not there(shelf, orphan)
    assert there(shelf, kept.blob)


def test_objects_newer_than_the_index_wait_a_week(shelf: Shelf) -> None:
    """An older copy of the database was put back: of what came since then nothing has a row."""
    blob = shelf.publish(b"behind the snapshot")
    assert Sweep(shelf.database, shelf.blobs, GRACE - timedelta(days=6)).run().orphans == 0
    assert there(shelf, blob)
    assert Sweep(shelf.database, shelf.blobs, GRACE - timedelta(days=8)).run().orphans == 1


@pytest.fixture
def copied(sqlite_url: str, tmp_path: Path) -> Iterator[tuple[Shelf, Callable[[], Shelf]]]:
    """An archive, and how to copy its database: as a backup to put back, or to try something out."""
    with ExitStack() as undo:

        def opened(url: str) -> Shelf:
            database, blobs = Database(url), LocalBlobs(tmp_path, SpoolLimits(reserve=0))
            undo.callback(database.close)
            return undo.enter_context(shelf_of(database, blobs))

        def copy() -> Shelf:
            target = tmp_path / "copy.db"
            with closing(connect(tmp_path / "pacs.db")) as source, closing(connect(target)) as made:
                source.backup(made)
            return opened(f"sqlite:///{target}")

        yield opened(sqlite_url), copy


def test_a_copy_of_the_index_removes_nothing_that_the_other_stores(
    copied: tuple[Shelf, Callable[[], Shelf]],
) -> None:
    shelf, copy = copied
    item = shelf.store(b"was sent again")
    shelf.forget(item)
    copied_shelf = copy()
    shelf.store(b"was sent again", instance=2)
    new = shelf.store(b"came since", instance=3)
    assert shelf.sweep(LATER).run().removed == 0
    weeks_later = timedelta(days=30)
    for _ in range(2):
        assert copied_shelf.sweep(weeks_later).run() == Swept(0, 0, "", more=False)
    assert there(shelf, item.blob) and there(shelf, new.blob)
    mark.leave(copied_shelf.database, copied_shelf.blobs)  # as `pacs reindex` does
    assert shelf.sweep(weeks_later).run() == Swept(0, 0, "", more=False)
    assert copied_shelf.sweep(weeks_later).run().removed > 0


def test_a_copy_finishes_no_removal_that_was_under_way_in_it(
    copied: tuple[Shelf, Callable[[], Shelf]],
) -> None:
    shelf, copy = copied
    item = shelf.store(b"was sent again")
    shelf.forget(item)
    shelf.sweep().claim(datetime.now(UTC) + LATER)
    copied_shelf = copy()
    assert shelf.sweep().run().removed == 1
    shelf.store(b"was sent again", instance=2)
    shelf.sweep().run()
    assert reconcile(copied_shelf.database, copied_shelf.blobs).removed == 0
    assert there(shelf, item.blob)


def test_objects_older_than_the_index_are_not_its_to_remove(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was lost, or another one was named: every object lies there without a row."""
    blob = shelf.publish(b"of the lost index")
    url = f"sqlite:///{tmp_path / 'another.db'}"
    upgrade(url)
    other = Database(url)
    sweep = Sweep(other, shelf.blobs, GRACE - LATER, orphaned=timedelta())
    assert sweep.run().orphans == 0, "nothing has happened in it yet"
    monkeypatch.setattr("storage.upkeep.sweep._SLACK", -timedelta(minutes=1))  # as if it had begun later
    with transaction(other) as under_way:
        under_way.audit(AuditRecord(system_actor("tests"), "start", "success"))
    assert sweep.run().orphans == 0
    assert there(shelf, blob)
    other.close()


def test_the_walk_goes_on_where_it_stopped(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.upkeep.sweep._WALK", 4)
    for n in range(10):
        shelf.publish(b"%d" % n)
    sweep, after, found = shelf.sweep(LATER), "", []
    for _ in range(3):
        swept = sweep.run(after)
        after = swept.after
        found.append(swept.orphans)
    assert found == [4, 4, 2]
    assert after == ""


def test_a_run_is_bounded_and_says_that_there_is_more(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.upkeep.sweep._BATCH", 2)
    monkeypatch.setattr("storage.upkeep.sweep._ROUNDS", 2)
    for n in range(5):
        shelf.publish(b"%d" % n)
    first = shelf.sweep(LATER).run()
    assert (first.removed, first.more) == (4, True)
    second = shelf.sweep(LATER).run()
    assert (second.removed, second.more) == (1, False)


# A crash after each step


def test_a_crash_after_the_claim_is_resumed(shelf: Shelf) -> None:
    item = shelf.store(b"gone")
    shelf.forget(item)
    assert shelf.sweep(LATER).claim(datetime.now(UTC) + LATER) == 1
    assert shelf.states() == {item.blob.address: "deleting"}
    assert there(shelf, item.blob)
    assert shelf.sweep().run().removed == 1
    assert shelf.states() == {}
    assert not there(shelf, item.blob)


@pytest.mark.parametrize("before", [True, False], ids=["before deleting", "after deleting"])
def test_a_deletion_whose_answer_does_not_arrive_is_resumed(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    delete = shelf.blobs.delete

    def failing(addresses: Iterable[str]) -> None:
        if not before:
            delete(addresses)
        raise Unavailable

    item = shelf.store(b"gone")
    shelf.forget(item)
    shelf.sweep().claim(datetime.now(UTC) + LATER)
    with monkeypatch.context() as patch, pytest.raises(Unavailable):
        patch.setattr(shelf.blobs, "delete", failing)
        shelf.sweep().delete_claimed()
    assert shelf.states() == {item.blob.address: "deleting"}
    with pytest.raises(BlobVanishing):
        shelf.enter(shelf.publish(b"gone"), instance=2)
    assert shelf.sweep().run().removed == 1
    assert shelf.states() == {}
    shelf.store(b"gone", instance=2)
    assert there(shelf, item.blob)


def test_one_that_cannot_be_removed_neither_keeps_the_others_nor_keeps_its_sender_out(shelf: Shelf) -> None:
    stuck, other = shelf.store(b"stuck"), shelf.store(b"other", instance=2)
    shelf.forget(stuck)
    shelf.forget(other)
    with unremovable(shelf.blobs, stuck.blob):
        assert shelf.sweep(LATER).run().removed == 1
    assert not there(shelf, other.blob)
    assert shelf.states() == {stuck.blob.address: "live"}
    assert shelf.sweep().run().removed == 0, "its grace begins anew"
    shelf.store(b"stuck", instance=3)
    assert shelf.sweep(LATER).run().removed == 0
    assert there(shelf, stuck.blob)


@pytest.mark.parametrize("finish", [False, True], ids=["by the sweep", "at start"])
def test_batches_that_cannot_be_removed_do_not_hide_the_next(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, finish: bool
) -> None:
    stuck = min(map(shelf.publish, (b"1", b"2", b"3")), key=lambda blob: blob.address)
    monkeypatch.setattr("storage.upkeep.sweep._BATCH", 1)
    shelf.sweep().adopt_orphans(datetime.now(UTC) + LATER, "")
    with unremovable(shelf.blobs, stuck):
        removed = finish_removals(shelf.database, shelf.blobs) if finish else shelf.sweep().run().removed
    assert removed == 2
    assert shelf.states() == {stuck.address: "live"}


def test_a_crash_after_an_orphan_was_given_a_row_is_resumed(shelf: Shelf) -> None:
    orphan = shelf.publish(b"orphan")
    shelf.sweep().adopt_orphans(datetime.now(UTC) + LATER, "")
    assert shelf.states() == {orphan.address: "deleting"}
    assert shelf.sweep().run().removed == 1
    assert not there(shelf, orphan)


# A store that is under way


def test_a_store_that_meets_the_sweep_publishes_again(shelf: Shelf) -> None:
    item = shelf.store(b"again")
    shelf.forget(item)
    sweep = shelf.sweep()
    sweep.claim(datetime.now(UTC) + LATER)
    blob = shelf.publish(b"again")
    with pytest.raises(BlobVanishing):
        shelf.enter(blob, instance=2)
    sweep.run()
    with pytest.raises(BlobVanishing):  # it was removed, and the row with it
        shelf.enter(blob, instance=2)
    shelf.enter(shelf.publish(b"again"), instance=2)
    assert there(shelf, blob)


def test_a_sweep_between_publication_and_entry_is_noticed(shelf: Shelf) -> None:
    blob = shelf.publish(b"old orphan, sent again")
    assert shelf.sweep(LATER).run().removed == 1
    with pytest.raises(BlobVanishing):
        shelf.enter(blob)
    assert shelf.states() == {}
    shelf.enter(shelf.publish(b"old orphan, sent again"))
    assert there(shelf, blob)


def test_one_vanishing_blob_does_not_hold_up_the_others(shelf: Shelf) -> None:
    vanished = shelf.publish(b"vanished")
    shelf.blobs.delete([vanished.address])
    with ThreadPoolExecutor(8) as pool:
        lost = pool.submit(shelf.enter, vanished)
        kept = [pool.submit(shelf.store, b"kept %d" % n, instance=n) for n in range(2, 9)]
        assert isinstance(lost.exception(), BlobVanishing)
        assert all(there(shelf, each.result().blob) for each in kept)


def test_storing_and_sweeping_at_once_loses_nothing(shelf: Shelf) -> None:
    """Three senders refer to the same few blobs and let go of them; two sweeps know no grace."""
    stop = threading.Event()
    contents = [b"one", b"two"]
    checked = []

    def refer(content: bytes) -> Blob:
        while True:
            blob = shelf.publish(content)
            with shelf.database.write() as connection:
                references = References(shelf.blobs.missing)
                references.add(blob)
                if not references.write(connection):
                    return blob
                connection.rollback()

    def send(number: int) -> None:
        for n in range(15):
            blob = refer(contents[(n + number) % 2])
            checked.append(there(shelf, blob))
            with shelf.database.write() as connection:
                connection.execute(
                    text(
                        """UPDATE blobs SET refcount = refcount - 1,
                           unreferenced_since = CASE WHEN refcount = 1 THEN 0 END
                           WHERE address = :address"""
                    ),
                    {"address": blob.address},
                )

    def sweep() -> int:
        removed = 0
        while not stop.is_set():
            removed += shelf.sweep(timedelta(days=1)).run().removed
        return removed

    with ThreadPoolExecutor(5) as pool:
        sweeping = [pool.submit(sweep) for _ in range(2)]
        senders = [pool.submit(send, number) for number in range(3)]
        try:
            for sender in senders:
                sender.result(timeout=240)
        finally:
            stop.set()
        last = shelf.sweep(timedelta(days=1)).run().removed
        assert last + sum(each.result() for each in sweeping) > 0
    assert len(checked) == 45
    assert all(checked)


def test_a_sweep_that_froze_removes_nothing_stored_since(
    postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL ends idle transactions after a while, so that a frozen node's rows are free again."""
    database = Database(postgresql_url)
    for name in ("IDLE_TIMEOUT", "LOCK_TIMEOUT"):
        monkeypatch.setattr(f"storage.engines.{name}", 1)
    hasty = Database(postgresql_url)
    frozen, thawed = threading.Event(), threading.Event()

    class Freezing(LocalBlobs):
        def delete(self, addresses: Iterable[str]) -> list[str]:
            frozen.set()
            thawed.wait(240)
            return super().delete(addresses)

    def sweep() -> None:
        while not frozen.is_set():  # a busy machine may lose its transaction before
            with suppress(DatabaseUnavailable):
                Sweep(hasty, Freezing(tmp_path), GRACE - LATER).run()

    blobs = LocalBlobs(tmp_path, SpoolLimits(reserve=0))
    with (
        shelf_of(database, blobs) as shelf,
        closing(open_entries(hasty, blobs.missing, CommitLimits(patience=0.1))) as entries,
        ThreadPoolExecutor(1) as pool,
    ):
        impatient = replace(shelf, database=hasty, entries=entries)
        item = shelf.store(b"gone")
        shelf.forget(item)
        asleep = pool.submit(sweep)
        try:
            assert frozen.wait(240)
            with suppress(DatabaseUnavailable):  # while its row is held
                while True:
                    impatient.sweep(LATER).run()
                    with suppress(BlobVanishing):
                        impatient.enter(impatient.publish(b"gone"), instance=2)
                        break
        finally:
            thawed.set()
        asleep.result(240)
        if shelf.states():
            assert there(shelf, item.blob), "it was acknowledged"
        shelf.store(b"gone", instance=3)
        assert there(shelf, item.blob)
    hasty.close()
    database.close()
