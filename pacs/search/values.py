"""From the text of one matching key to its test (PS3.4 §C.2.2.2). None means universal matching."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

from pydicom.datadict import dictionary_VR, tag_for_keyword

from pacs.attributes import Attribute, Matching
from pacs.errors import InvalidQuery
from pacs.search import moments
from pacs.search.matching import integer, name_group, split_values
from pacs.search.query import AnyOf, Empty, FuzzyName, Items, OneOf, Range, Simple, Test, Wildcard
from pacs.search.text import fold, words

MAX_UIDS = 10_000
MAX_VALUES = 100
"""Values of one key. UIDs are looked up in an index; other values are compared one by one, so fewer."""
MAX_CHARACTERS = 1_024
"""Characters of one value other than a UID; indexed values have at most 512."""
MAX_WILDCARDS = 32
MAX_WORDS = 16

EMPTY = '""'
"""The value that requests empty value matching (PS3.4 §C.2.2.2.8)."""

WILDCARD_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_UID = re.compile(r"[0-9.]{1,64}")


def parse_value(attribute: Attribute, text: str, *, fuzzy: bool = False, zone: str = "") -> Test | None:
    """`fuzzy`: fuzzy semantic matching was negotiated. `zone`: for DT values without an offset.

    `InvalidQuery` when the text is not a value of this attribute.
    """
    tests: list[Simple] = []
    text = text.replace("\0", "")  # as in stored values; no database takes it
    values = [each for value in split_values(attribute, text) for each in _spellings(attribute, value)]
    most = MAX_UIDS if attribute.matching is Matching.UID and not attribute.multiple else MAX_VALUES
    if len(values) > most:
        raise InvalidQuery(f"{attribute.keyword}: more than {most} values", attribute.tag)
    given = [value for value in values if value]
    for value in given:
        if value == EMPTY:
            tests.append(Empty())
            continue
        if not value.strip("*"):
            return None
        test = _PARSE[attribute.matching](attribute, value, zone)
        if attribute.matching is Matching.NAME and fuzzy:
            test = _fuzzy(value, test)
        if test is None:
            return None
        tests.extend(test.tests if isinstance(test, AnyOf) else (test,))
    return joined(tests)


def _spellings(attribute: Attribute, value: str) -> tuple[str, ...]:
    """The value without surrounding white space. An identifier is also matched with its control characters,
    which are stored with it, as only spaces are padding."""
    stripped, sent = value.strip(), value.strip(" ")
    if not stripped or stripped == sent or attribute.matching is not Matching.EXACT:
        return (stripped,)
    return stripped, sent


def parse_items(attribute: Attribute, items: list[Mapping[int, str]]) -> Items | None:
    """Sequence matching (§C.2.2.2.6) by the keys of the query's single item."""
    if len(items) > 1:
        raise InvalidQuery(f"{attribute.keyword}: more than one item", attribute.tag)
    tests: list[tuple[str, OneOf | Wildcard]] = []
    for item in items:
        for keyword in attribute.items:
            tag = tag_for_keyword(keyword)
            assert tag is not None
            if (value := item.get(tag, "").strip()) and value.strip("*"):
                tests.append((keyword, _item_test(keyword, tag, value)))
    return Items(tuple(tests)) if tests else None


def _item_test(keyword: str, tag: int, value: str) -> OneOf | Wildcard:
    if str(dictionary_VR(tag)) in WILDCARD_VRS and has_wildcards(value):
        return Wildcard(_pattern(keyword, value))
    return OneOf((value,))


def joined(tests: list[Simple]) -> Simple | AnyOf | None:
    """The simplest test that is the disjunction of these."""
    plain = tuple(dict.fromkeys(value for test in tests if isinstance(test, OneOf) for value in test.values))
    others = tuple(dict.fromkeys(test for test in tests if not isinstance(test, OneOf)))
    every: tuple[Simple, ...] = (OneOf(plain), *others) if plain else others
    if len(every) < 2:
        return every[0] if every else None
    return AnyOf(every)


def has_wildcards(text: str) -> bool:
    return "*" in text or "?" in text


def _pattern(keyword: str, pattern: str) -> str:
    if len(pattern) > MAX_CHARACTERS:
        raise InvalidQuery(f"{keyword}: the value is too long")
    pattern = re.sub(r"\*+", "*", pattern)
    if pattern.count("*") + pattern.count("?") > MAX_WILDCARDS:
        raise InvalidQuery(f"{keyword}: more than {MAX_WILDCARDS} wildcards")
    return pattern


def _invalid(attribute: Attribute) -> InvalidQuery:
    return InvalidQuery(f"{attribute.keyword} has an unusable value", attribute.tag)


def _uid(attribute: Attribute, value: str, zone: str) -> Simple:
    if not _UID.fullmatch(value):
        raise _invalid(attribute)
    return OneOf((value,))


def _exact(attribute: Attribute, value: str, zone: str) -> Simple:
    return _literal(attribute, value)


def _text(attribute: Attribute, value: str, zone: str) -> Simple:
    return _literal(attribute, fold(value))


def _literal(attribute: Attribute, value: str) -> Simple:
    pattern = _pattern(attribute.keyword, value)
    if attribute.vr in WILDCARD_VRS and has_wildcards(value):
        return Wildcard(pattern)
    return OneOf((value,))


_TRAILING_STARS = re.compile(r"(?:\^\**)+$")


def _name(attribute: Attribute, value: str, zone: str) -> Simple | AnyOf | None:
    """Any component group of the stored name may match any given group.

    `SMITH^*` also finds a bare `SMITH`, whose empty components are left out (PS3.5 §6.2.1.1);
    `^^^^`, as forms with empty fields send it, is universal matching.
    """
    tests: list[Simple] = []
    for group in value.split("="):
        pattern = name_group(_pattern(attribute.keyword, group))
        if not pattern:
            continue
        if not has_wildcards(pattern):
            tests.append(OneOf((pattern,)))
            continue
        stem = _TRAILING_STARS.sub("", pattern)
        if stem == pattern:
            tests.append(Wildcard(pattern))
            continue
        if not stem.strip("*"):
            return None
        tests.append(Wildcard(stem) if has_wildcards(stem) else OneOf((stem,)))
        tests.append(Wildcard(f"{stem}^*"))
    return joined(tests)


def _fuzzy(value: str, test: Simple | AnyOf | None) -> Simple | AnyOf | None:
    """Plain matching or fuzzy matching, whichever finds the name."""
    if test is None:
        return None
    heard = words(re.sub(r"[*?'’]", "", value))[:MAX_WORDS]
    plain = list(test.tests) if isinstance(test, AnyOf) else [test]
    return joined([*plain, FuzzyName(heard)] if heard else plain)


def _interval(attribute: Attribute, value: str, zone: str) -> Range:
    """A single value or a range (§C.2.2.2.5); partial precision widens to all that it covers.

    The hyphen of a range and of a negative offset look alike: text that is one valid value is taken
    as such; otherwise the first hyphen with a valid value (or nothing) on both sides splits the range.
    """
    read: Callable[[str], moments.Interval | None]
    if attribute.matching is Matching.DATE:
        read = _day_interval
    elif attribute.matching is Matching.TIME:
        read = moments.time
    else:
        read = partial(moments.moment, zone=zone)
    if len(value) > MAX_CHARACTERS:
        raise _invalid(attribute)
    if whole := read(value):
        return Range(*whole)
    for hyphen in re.finditer("-", value):
        low, high = value[: hyphen.start()].strip(), value[hyphen.end() :].strip()
        first, last = read(low) if low else None, read(high) if high else None
        if (low or high) and bool(first) == bool(low) and bool(last) == bool(high):
            return Range(first and first[0], last and last[1])
    raise _invalid(attribute)


def _day_interval(text: str) -> moments.Interval | None:
    found = moments.day(text)
    return None if found is None else (found, found)


def _number(attribute: Attribute, value: str, zone: str) -> Simple:
    number = integer(value)
    if number is None:
        raise _invalid(attribute)
    return OneOf((number,))


_PARSE: Mapping[Matching, Callable[[Attribute, str, str], Simple | AnyOf | None]] = {
    Matching.UID: _uid,
    Matching.EXACT: _exact,
    Matching.TEXT: _text,
    Matching.NAME: _name,
    Matching.DATE: _interval,
    Matching.TIME: _interval,
    Matching.DATETIME: _interval,
    Matching.NUMBER: _number,
}
