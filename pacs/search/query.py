"""`Query`: what C-FIND, QIDO-RS, the REST API and the worklist all parse into (PS3.4 §C.2.2.2)."""

from __future__ import annotations

from dataclasses import dataclass, field

from pacs.attributes import Attribute, Level
from pacs.model import Values


@dataclass(frozen=True, slots=True)
class OneOf:
    """Single value, list of UID and multiple value matching (§C.2.2.2.1, .2): any of these, as keys."""

    values: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`*` and `?` (§C.2.2.2.4), in the folded form of the attribute's matching.

    Of an attribute with several values, and of a name with several component groups, one must
    match as a whole.
    """

    pattern: str


@dataclass(frozen=True, slots=True)
class Range:
    """Range matching (§C.2.2.2.5): inclusive, as normalised keys; None leaves that side open."""

    low: str | None
    high: str | None


@dataclass(frozen=True, slots=True)
class Empty:
    """Empty value matching: the attribute is absent or has no value."""


@dataclass(frozen=True, slots=True)
class DateTimeRange:
    """Combined date and time: `time` is the other attribute of the pair (§C.2.2.2.5)."""

    time: Attribute
    low: tuple[str, str] | None
    high: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class FuzzyName:
    """Fuzzy semantic matching of person names: each word begins a word of the name or sounds like one.

    Words are folded and in Latin letters (`pacs.search.text.words`).
    """

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """Sequence matching (§C.2.2.2.6): one item satisfies all of these (keyword, test) pairs."""

    tests: tuple[tuple[str, OneOf | Wildcard], ...]


@dataclass(frozen=True, slots=True)
class Either:
    """The attribute, or `below` of one entity of the next level, passes the test."""

    below: Attribute
    test: Test


Simple = OneOf | Wildcard | Range | Empty | FuzzyName


@dataclass(frozen=True, slots=True)
class AnyOf:
    """A list of values that need different tests (plain, wildcard, range): one of these must hold."""

    tests: tuple[Simple, ...]


Test = Simple | AnyOf | DateTimeRange | Items | Either


@dataclass(frozen=True, slots=True)
class Condition:
    attribute: Attribute
    test: Test


@dataclass(frozen=True, slots=True)
class Query:
    """Universal matching is the absence of a condition.

    `include`: the attributes to return, of this level and those above. `unsupported`: requested
    keys that this archive neither matches nor returns.
    Order is by name at patient level, newest first at study level and by number below it, unless
    `order` says otherwise (attribute, descending), by attributes of this level or above.
    Conditions of levels below are met by one path down: a series, and an instance of that series.
    `until`: `ResultPage.last` of an earlier page; entities stored after that page are left out.
    """

    level: Level
    conditions: tuple[Condition, ...] = ()
    include: tuple[Attribute, ...] = ()
    unsupported: tuple[int, ...] = ()
    order: tuple[tuple[Attribute, bool], ...] = ()
    limit: int | None = None
    offset: int = 0
    until: int | None = None
    options: frozenset[str] = field(default_factory=frozenset)
    expected: bool = False
    """Include announced studies that have no instance yet; DICOM services never return those."""


@dataclass(frozen=True, slots=True)
class ResultPage:
    """One page of answers. `total`: matches on all pages; None when counting them would cost too much.

    `last`: marks the moment of this page, for `Query.until`; None when there is no further page.
    """

    answers: list[Values]
    more: bool
    total: int | None
    last: int | None = None
