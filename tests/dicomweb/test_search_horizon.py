"""What was there when the first page was answered."""

from __future__ import annotations

import pytest

from dicomweb import search_horizon
from dicomweb.search_horizon import LASTS, Horizons


def test_each_search_has_its_own_until_its_next_first_page() -> None:
    horizons = Horizons()
    horizons.note("a", 7)
    assert (horizons.of("a"), horizons.of("b")) == (7, None)
    horizons.note("a", 9)
    assert horizons.of("a") == 9


def test_it_is_forgotten_in_time() -> None:
    now = [0.0]
    horizons = Horizons(lambda: now[0])
    horizons.note("a", 7)
    now[0] = LASTS
    assert horizons.of("a") is None


def test_no_more_are_remembered_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_horizon, "MOST", 2)
    horizons = Horizons()
    for search in "aba":
        horizons.note(search, 1)
    horizons.note("c", 1)
    assert [horizons.of(search) for search in "abc"] == [1, None, 1]
