"""Deciding how a search finds its rows: by walking along the index of its order, or from few candidates.

Common values turn up quickly along the order; rare ones must be looked up. No database knows how common
`*ros*` is, so that is found out, at a bounded cost, in these steps:

1. A UID selects few rows: they are the candidates.
2. If the newest come first, and no cheap index serves a condition, a sample of the newest rows is tested.
   If it promises a page within reach, the search walks that far; if that yields the page, it is done.
3. Each index that serves a condition (`storage.search.lookups`) is asked for its first keys, up to one more
   than `FEW`. The keys of the index that has the fewest are the candidates, if they are few.
4. If they are not, and a walk would be long, rows are tested in the order of their keys. Those that match are
   the candidates, if they are few.
5. Otherwise the search walks along the order until the page is full, or `storage.search.time_limit` ends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

from sqlalchemy import Connection, func, literal_column, select, union_all

from pacs.attributes import BY_KEYWORD, LEVELS, Level
from pacs.search.query import Condition
from storage.search import statement, tuning
from storage.search.lookups import CHEAP, STRATEGIES, Lookup, Strategy, by_uid, matching
from storage.search.selection import Candidates, Search
from storage.tables import TABLES

_STUDY_DATE = BY_KEYWORD["StudyDate"]


@dataclass(frozen=True, slots=True)
class Sample:
    """`matched` of the `tested` rows match. `edge`: the order values of the row after the newest `REACH`;
    None if there are no more than that within the range of days."""

    matched: int
    tested: int
    edge: Sequence[Any] | None

    def promises(self, rows: int) -> bool:
        """Whether so many matches probably lie within reach."""
        return self.matched * tuning.REACH > tuning.MARGIN * self.tested * rows


def is_sampled(search: Search, counting: bool) -> bool:
    """Not for days alone: they are a range of the order, and only their number is unknown."""
    if not statement.keys_first(search) or (not counting and _days_only(search)):
        return False
    return by_uid(search) is None and not any(_offered(search, CHEAP))


def sampled(connection: Connection, search: Search) -> Sample:
    asked = statement.newest(search, tuning.SAMPLE, tuning.REACH)
    matched, tested, *edge = connection.execute(asked).one()
    return Sample(matched, tested, None if edge[-1] is None else edge)


def candidates(connection: Connection, search: Search, *, rare: bool = False) -> Candidates | None:
    """The rows to start from; None for walking along the order. `rare`: none of the sample matched."""
    level = search.query.level
    if (uid := by_uid(search)) is not None:
        uid = uid.up_to(level)
        return Candidates(uid.level, tuple(connection.execute(uid.keys).scalars()))
    offered = list(_offered(search, STRATEGIES))
    few = _fewest(connection, level, offered)
    if few is None and (rare or search.query.order or not offered):
        served = {condition for lookup in offered for condition in lookup.serves}
        few = _fewest(connection, level, _scans(search, served, rare))
    return few


def _offered(search: Search, strategies: Iterable[Strategy]) -> Iterator[Lookup]:
    return (lookup for level in LEVELS for strategy in strategies for lookup in strategy(search, level))


def _fewest(connection: Connection, level: Level, lookups: Iterable[Lookup]) -> Candidates | None:
    """The rows of the lookup that finds the fewest, if they are few; asked in one statement."""
    above = [lookup.up_to(level) for lookup in lookups]
    if not above:
        return None
    capped = [
        select(literal_column(str(i)), lookup.keys.limit(tuning.FEW + 1).subquery())
        for i, lookup in enumerate(above)
    ]
    last_key = select(func.max(TABLES[level].c.pk)).subquery()
    found: list[list[int]] = [[] for _ in range(len(above) + 1)]
    for i, pk in connection.execute(union_all(*capped, select(literal_column(str(len(above))), last_key))):
        found[i].append(pk)
    [last] = found.pop()
    fewest, lookup = min(zip(found, above, strict=True), key=lambda pair: len(pair[0]))
    return Candidates(lookup.level, tuple(fewest)) if len(fewest) <= _few(last or 0) else None


def _few(rows: int) -> int:
    return min(tuning.FEW, max(tuning.FEWEST, tuning.ROOTS * isqrt(rows)))


def _scans(search: Search, served: set[Condition], rare: bool) -> Iterator[Lookup]:
    """Rows tested in the order of their keys, without an index. Half a million patients take 0.1 s, a million
    studies 0.3 s; walking along them takes seconds. Studies with the newest first are tested only if matches
    are rare, as others are found much sooner by walking, and if no days bound the walk."""
    query = search.query
    days = {c for c in query.conditions if c.attribute is _STUDY_DATE}
    levels = [Level.PATIENT] if query.level is not Level.PATIENT else []
    if query.order or (rare and not days):
        levels.append(Level.STUDY)
    for level in levels:
        tested = [c for c in query.conditions if c.attribute.level is level]
        if not served.union(days).issuperset(tested):
            rows = matching(search, level, tested).order_by(TABLES[level].c.pk.desc())
            yield Lookup(level, rows, tuple(tested))


def _days_only(search: Search) -> bool:
    return all(condition.attribute is _STUDY_DATE for condition in search.query.conditions)
