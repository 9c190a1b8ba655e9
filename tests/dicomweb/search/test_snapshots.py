"""What was there when the first page was answered."""

from __future__ import annotations

import os

from dicomweb.search.snapshots import LIFETIME, Snapshots, shared


def test_each_search_has_its_own_until_its_next_first_page() -> None:
    snapshots = Snapshots(shared())
    snapshots.note("a", 7)
    assert (snapshots.of("a"), snapshots.of("b")) == (7, None)
    snapshots.note("a", 9)
    assert snapshots.of("a") == 9


def test_it_is_forgotten_in_time() -> None:
    now = [0.0]
    snapshots = Snapshots(shared(), lambda: now[0])
    snapshots.note("a", 7)
    now[0] = LIFETIME
    assert snapshots.of("a") is None


def test_a_newcomer_takes_the_place_it_needs() -> None:
    snapshots = Snapshots(shared(1))
    snapshots.note("a", 1)
    snapshots.note("b", 2)
    assert (snapshots.of("a"), snapshots.of("b")) == (None, 2)


def test_what_one_process_notes_another_knows() -> None:
    snapshots = Snapshots(shared())
    child = os.fork()
    if child == 0:
        snapshots.note("a", 7)
        os._exit(0)
    os.waitpid(child, 0)
    assert snapshots.of("a") == 7
