"""From a C-FIND identifier or a search URL to a `Query` (PS3.4 §C.2.2.2, §C.4.1; PS3.18 §10.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from pacs.attributes import (
    BY_KEYWORD,
    BY_TAG,
    DATE_TIME_PAIRS,
    LEVELS,
    UNIQUE_KEY,
    Attribute,
    Level,
    Matching,
)
from pacs.errors import InvalidQuery
from pacs.search import moments
from pacs.search.query import Condition, DateTimeRange, OneOf, Query, Range, Test
from pacs.search.values import parse_items, parse_value

RELATIONAL, DATE_TIME, FUZZY, TIME_ZONE = "relational", "datetime", "fuzzy", "timezone"
"""The options of extended negotiation (PS3.4 §C.5.1.1)."""

RawKey = tuple[int, str | Sequence[Mapping[int, str]]]
"""A tag and its decoded text; for a sequence, the keys of its items."""

MAX_KEYS = 512

_SPECIFIC_CHARACTER_SET = 0x00080005
_TIMEZONE_OFFSET = BY_KEYWORD["TimezoneOffsetFromUTC"].tag
_ABOUT_THE_QUERY = frozenset(
    {_SPECIFIC_CHARACTER_SET, 0x00080052, 0x00080054, 0x00080056, 0x00080053}
)  # level, AE title, availability and view: answered by the edge, never matched


@dataclass(frozen=True, slots=True)
class Scope:
    """The context of the keys. `levels`: of the information model; Study Root has the patient's keys at
    study level (§C.6.2)."""

    level: Level
    levels: tuple[Level, ...] = LEVELS
    options: frozenset[str] = field(default_factory=frozenset)


def parse_query(scope: Scope, keys: Iterable[RawKey]) -> Query:
    """`InvalidQuery` when the model has no such level, a unique key is missing or a value is bad.

    Group lengths and elements that describe the query itself are skipped. Keys that the attributes table
    lacks are `unsupported`: neither matched nor returned. So are keys of lower levels, unless the query is
    relational: then they are matched (§C.4.1.3.2.1), but still not returned.
    """
    if scope.level not in scope.levels:
        raise InvalidQuery(f"the information model has no {scope.level} level")
    sent = _sent(keys)
    known, lower = _by_level(scope, sent)
    tests = _tests(scope, sent, known)
    if RELATIONAL not in scope.options:
        _check_hierarchy(scope, tests)
    else:
        tests |= _tests(scope, sent, lower)
    unsupported = _unsupported(sent, {*tests, *(attribute.keyword for attribute in known)})
    if DATE_TIME in scope.options:
        _combine(tests)
    conditions = tuple(Condition(BY_KEYWORD[keyword], test) for keyword, test in tests.items())
    return Query(scope.level, conditions, _include(scope, known), unsupported, options=scope.options)


def _sent(keys: Iterable[RawKey]) -> dict[int, str | Sequence[Mapping[int, str]]]:
    sent = {tag: value for tag, value in keys if tag & 0xFFFF and tag not in _ABOUT_THE_QUERY}
    if len(sent) > MAX_KEYS:
        raise InvalidQuery(f"more than {MAX_KEYS} keys")
    return sent


def _by_level(scope: Scope, tags: Iterable[int]) -> tuple[list[Attribute], list[Attribute]]:
    """The attributes of this level or above, which can be returned, and those of lower levels."""
    indexed = [BY_TAG[tag] for tag in tags if tag in BY_TAG]
    known = [attribute for attribute in indexed if attribute.level.depth <= scope.level.depth]
    below = scope.levels[scope.levels.index(scope.level) + 1 :]
    return known, [attribute for attribute in indexed if attribute.level in below]


def _unsupported(tags: Iterable[int], served: Set[str]) -> tuple[int, ...]:
    return tuple(tag for tag in tags if tag not in BY_TAG or BY_TAG[tag].keyword not in served)


def _tests(
    scope: Scope, sent: Mapping[int, str | Sequence[Mapping[int, str]]], known: Iterable[Attribute]
) -> dict[str, Test]:
    zone = sent.get(_TIMEZONE_OFFSET, "")
    zone = zone.strip() if isinstance(zone, str) and TIME_ZONE in scope.options else ""
    if zone and moments.offset(zone) is None:
        raise InvalidQuery("TimezoneOffsetFromUTC has an unusable value", _TIMEZONE_OFFSET)
    tests: dict[str, Test] = {}
    for attribute in known:
        value = sent[attribute.tag]
        test: Test | None
        if attribute.tag == _TIMEZONE_OFFSET:
            continue  # qualifies the other keys (§C.4.1.1.3.1)
        if attribute.matching is Matching.SEQUENCE:
            test = None if isinstance(value, str) else parse_items(attribute, list(value))
        elif isinstance(value, str):
            test = parse_value(attribute, value, fuzzy=FUZZY in scope.options, zone=zone)
        else:
            raise InvalidQuery(f"{attribute.keyword} is not a sequence", attribute.tag)
        if test is not None:
            tests[attribute.keyword] = test
    return tests


def _check_hierarchy(scope: Scope, tests: Mapping[str, Test]) -> None:
    """Each level above must have its unique key with a single value (§C.4.1.2.1)."""
    for level in scope.levels[: scope.levels.index(scope.level)]:
        test = tests.get(UNIQUE_KEY[level])
        if not isinstance(test, OneOf) or len(test.values) != 1:
            keyword = UNIQUE_KEY[level]
            raise InvalidQuery(
                f"{keyword} must have a single value at {scope.level} level", BY_KEYWORD[keyword].tag
            )


def _combine(tests: dict[str, Test]) -> None:
    """Ranges of a date and its time become one range in time (§C.2.2.2.5)."""
    for date, time in DATE_TIME_PAIRS:
        days, times = tests.get(date), tests.get(time)
        if isinstance(days, Range) and isinstance(times, Range):
            tests[date] = DateTimeRange(
                BY_KEYWORD[time],
                None if days.low is None else (days.low, times.low or moments.FIRST_TIME),
                None if days.high is None else (days.high, times.high or moments.LAST_TIME),
            )
            del tests[time]


def _include(scope: Scope, known: Iterable[Attribute]) -> tuple[Attribute, ...]:
    """The requested keys, and the unique keys down to this level (§C.4.1.1.3.2)."""
    unique = (BY_KEYWORD[UNIQUE_KEY[level]] for level in scope.levels[: scope.levels.index(scope.level) + 1])
    return tuple(dict.fromkeys((*unique, *known)))
