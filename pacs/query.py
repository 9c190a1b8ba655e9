"""One `Query` that C-FIND, QIDO-RS, the worklist and the pages all parse into (PS3.4 §C.2.2.2)."""

from __future__ import annotations

from dataclasses import dataclass, field

from pacs.attributes import Attribute, Level


@dataclass(frozen=True, slots=True)
class OneOf:
    """Single value and list of UID matching (§C.2.2.2.1, .2): any of these, as keys."""

    values: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`*` and `?` (§C.2.2.2.4), in the folded form of the attribute's matching."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Range:
    """Inclusive, as normalised keys; None leaves that side open (§C.2.2.2.5)."""

    low: str | None
    high: str | None


@dataclass(frozen=True, slots=True)
class DateTimeRange:
    """Combined date and time: `time` names the other attribute of the pair (§C.2.2.2.5.4)."""

    time: Attribute
    low: tuple[str, str] | None
    high: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class FuzzyName:
    """Fuzzy semantic matching of person names: each word must match one word of the name."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """Sequence matching (§C.2.2.2.6): one item satisfies all of these (keyword, test) pairs."""

    tests: tuple[tuple[str, OneOf | Wildcard | Range], ...]


Test = OneOf | Wildcard | Range | DateTimeRange | FuzzyName | Items


@dataclass(frozen=True, slots=True)
class Condition:
    attribute: Attribute
    test: Test


@dataclass(frozen=True, slots=True)
class Query:
    """Universal matching is the absence of a condition.

    `include`: the attributes to return, of this level and those above. `unsupported`: keys that
    were asked for and that this archive neither matches nor returns.
    Order is newest first at study level, by number below it, unless `order` says otherwise
    (attribute, descending).
    """

    level: Level
    conditions: tuple[Condition, ...] = ()
    include: tuple[Attribute, ...] = ()
    unsupported: tuple[int, ...] = ()
    order: tuple[tuple[Attribute, bool], ...] = ()
    limit: int | None = None
    offset: int = 0
    options: frozenset[str] = field(default_factory=frozenset)
