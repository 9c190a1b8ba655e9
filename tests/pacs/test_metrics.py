"""Figures that are costly to find are found now and then."""

from __future__ import annotations

from pacs.metrics import CachedSample


class Costly:
    """Takes `seconds` by a clock that nothing else moves."""

    def __init__(self, seconds: float) -> None:
        self.now, self.found = 1000.0, 0
        self.seconds = seconds
        self.cached = CachedSample(self._find, 60, lambda: self.now)

    def _find(self) -> float:
        self.now += self.seconds
        self.found += 1
        return self.found

    def after(self, seconds: float) -> float:
        self.now += seconds
        return self.cached()


def test_a_figure_is_kept_for_a_minute() -> None:
    quick = Costly(0.1)
    assert [quick.after(0), quick.after(59), quick.after(2)] == [1, 1, 2]


def test_what_takes_long_is_looked_for_less_often() -> None:
    slow = Costly(10)
    assert [slow.after(0), slow.after(900), slow.after(101)] == [1, 1, 2]
