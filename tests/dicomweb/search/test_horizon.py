"""What was there when the first page was answered."""

from __future__ import annotations

import os

from dicomweb.search.horizon import LASTS, Horizons, shared


def test_each_search_has_its_own_until_its_next_first_page() -> None:
    horizons = Horizons(shared())
    horizons.note("a", 7)
    assert (horizons.of("a"), horizons.of("b")) == (7, None)
    horizons.note("a", 9)
    assert horizons.of("a") == 9


def test_it_is_forgotten_in_time() -> None:
    now = [0.0]
    horizons = Horizons(shared(), lambda: now[0])
    horizons.note("a", 7)
    now[0] = LASTS
    assert horizons.of("a") is None


def test_a_newcomer_takes_the_place_it_needs() -> None:
    horizons = Horizons(shared(1))
    horizons.note("a", 1)
    horizons.note("b", 2)
    assert (horizons.of("a"), horizons.of("b")) == (None, 2)


def test_what_one_process_notes_another_knows() -> None:
    horizons = Horizons(shared())
    child = os.fork()
    if child == 0:
        horizons.note("a", 7)
        os._exit(0)
    os.waitpid(child, 0)
    assert horizons.of("a") == 7
