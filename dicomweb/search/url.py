"""Parsing the query string of a search into a `Search` (PS3.18 §8.3.4, §10.6.1).

Law: any text yields a search or `InvalidQuery`. A name that looks like an attribute but is none is
refused, since ignoring a misspelt key would find everything; an attribute that cannot be matched or
returned here is ignored, with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_dict, keyword_for_tag, tag_for_keyword

from dicomweb.search.order import Order, parse_order
from pacs.attributes import BY_KEYWORD, BY_TAG, LEVELS, TABLE, UNIQUE_KEY, Attribute, Level, Matching
from pacs.errors import InvalidQuery
from pacs.search.parser import DATE_TIME, FUZZY, RELATIONAL, TIME_ZONE, RawKey, Scope, parse_query
from pacs.search.query import Query
from pacs.search.values import WILDCARD_VRS

MAX_PARAMETERS = 1_000
MAX_NUMBER = (1 << 31) - 1

Path = tuple[int, ...]
"""Tags from the data set's top level down into sequences."""

_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_KEYWORD = re.compile(r"[A-Z][A-Za-z0-9]*")
_NEARLY_TAG = re.compile(r"\(?[0-9]")
_NEARLY_KEYWORD = frozenset(map(str.lower, keyword_dict)) - {""}
_SWITCH = {"true": True, "1": True, "false": False, "0": False, "": False}
_FOR_OTHERS = frozenset({"accept", "charset", "access_token", "_"})
"""Parameters that other layers use (PS3.18 §8.3.3), and cache busters."""
_IN_EVERY_ANSWER = frozenset({0x00080005, 0x00080054, 0x00080056, 0x00081190})
_LISTED = frozenset({"UI", "CS"})
"""VRs whose values cannot contain a comma, so that it separates a list of values."""
_ZONED = frozenset({"DT", "SH"})
_MODALITY, _MODALITIES = ((BY_KEYWORD[keyword].tag,) for keyword in ("Modality", "ModalitiesInStudy"))


@dataclass(frozen=True, slots=True)
class Search:
    """`query` has no limit yet; `limit` is the requested one. `ignored`: names of unsupported attributes,
    as sent. `contradiction`: a key excludes the resource that the path names."""

    query: Query
    limit: int | None
    ignored: tuple[str, ...]
    contradiction: bool


@dataclass
class _Sent:
    """The parameters, sorted by kind."""

    keys: dict[Path, str] = field(default_factory=dict)
    included: dict[Path, str] = field(default_factory=dict)
    everything: bool = False
    fuzzy: bool = False
    limit: int | None = None
    offset: int = 0
    order: Order = ()
    ignored: dict[str, None] = field(default_factory=dict)


def parse_search(level: Level, within: Mapping[str, str], parameters: Iterable[tuple[str, str]]) -> Search:
    """`within`: keyword and UID of each parent resource in the path."""
    sent = _sort(parameters)
    if level is Level.STUDY:
        _take_modality_for_modalities(sent)
    elif sent.order:
        sent.ignored["orderby"] = None
    contradiction = False
    for keyword, uid in within.items():
        path = (BY_KEYWORD[keyword].tag,)
        given = [value.strip() for value in sent.keys.get(path, "").split("\\")]
        contradiction |= any(given) and uid not in given
        sent.keys[path] = uid
    options = frozenset({RELATIONAL, DATE_TIME, TIME_ZONE} | ({FUZZY} if sent.fuzzy else set()))
    resources = LEVELS[1 : level.depth + 1]  # a resource has no attributes of what lies below it
    query = parse_query(Scope(level, resources, options), _raw_keys(sent))
    include = _include(level, within, sent, query)
    unmatched = (_name(tag) for tag in query.unsupported)
    order = sent.order if level is Level.STUDY else ()
    query = replace(query, include=include, offset=sent.offset, order=order)
    return Search(query, sent.limit, tuple(dict.fromkeys((*unmatched, *sent.ignored))), contradiction)


def _sort(parameters: Iterable[tuple[str, str]]) -> _Sent:
    sent = _Sent()
    for number, (name, value) in enumerate(parameters):
        if number == MAX_PARAMETERS:
            raise InvalidQuery(f"more than {MAX_PARAMETERS} parameters")
        if control := _CONTROLS.get(name.lower()):
            control(sent, value)
        elif path := _path(name):
            _add_key(sent, path, value)
        elif name.lower() not in _FOR_OTHERS:
            sent.ignored[_printable(name)] = None
    return sent


def _add_key(sent: _Sent, path: Path, value: str) -> None:
    """A repeated key is a list of values, any of which may match (§8.3.4.1)."""
    value = _cleaned(path[-1], value)
    earlier = sent.keys.get(path)
    sent.keys[path] = f"{earlier}\\{value}" if earlier else value


def _path(name: str) -> Path:
    """The path of a keyword or tag, or of several joined by dots; `()` when it names no attribute.

    `InvalidQuery` for a name that looks like a keyword or tag but is none.
    """
    tags = []
    for part in name.split("."):
        keyword = part or "-"  # a retired tag of the dictionary has no keyword
        tag = int(part, 16) if _TAG.fullmatch(part) else tag_for_keyword(keyword)
        if tag is None:
            if _KEYWORD.fullmatch(part) or _NEARLY_TAG.match(name) or name.lower() in _NEARLY_KEYWORD:
                raise InvalidQuery(f"there is no attribute {_printable(part)}")
            return ()
        tags.append(int(tag))
    return tuple(tags)


def _cleaned(tag: int, value: str) -> str:
    """Tolerated variants: commas between UIDs, `*` appended to any value, the plus sign of an offset that
    URL decoding turned into a space. NUL is padding, which stored values do not have."""
    vr, value = _vr(tag), value.replace("\0", " ")
    if vr in _LISTED:
        value = value.replace(",", "\\")
    if vr in _ZONED and (vr == "DT" or tag == BY_KEYWORD["TimezoneOffsetFromUTC"].tag):
        value = re.sub(r" (?=\d{4}\b)", "+", value)
    if vr not in WILDCARD_VRS:
        value = "\\".join(one.strip(" *") for one in value.split("\\"))
    return value


def _vr(tag: int) -> str:
    return str(dictionary_VR(tag)) if dictionary_has_tag(tag) else "UN"


def _include_field(sent: _Sent, value: str) -> None:
    for name in filter(None, (name.strip() for name in value.split(","))):
        if name.lower() == "all":
            sent.everything = True
            continue
        try:
            path = _path(name)
        except InvalidQuery:
            path = ()
        if path:
            sent.included[path] = _printable(name)
        else:
            sent.ignored[_printable(name)] = None


def _fuzzy_matching(sent: _Sent, value: str) -> None:
    sent.fuzzy = _switched("fuzzymatching", value)


def _always_on(name: str, sent: _Sent, value: str) -> None:
    """Matching that is always on, as `""` and values with backslashes between can mean nothing else."""
    _switched(name, value)


def _switched(name: str, value: str) -> bool:
    if value.lower() not in _SWITCH:
        raise InvalidQuery(f"{name} must be true or false")
    return _SWITCH[value.lower()]


def _limit(sent: _Sent, value: str) -> None:
    sent.limit = _count("limit", value)


def _offset(sent: _Sent, value: str) -> None:
    sent.offset = _count("offset", value)


def _order_by(sent: _Sent, value: str) -> None:
    order = parse_order(value)
    if order is None:
        sent.ignored["orderby"] = None
    sent.order = order or ()


def _count(name: str, value: str) -> int:
    if not re.fullmatch(r"\d{1,20}", value.strip(), re.ASCII):
        raise InvalidQuery(f"{name} must be a number from 0 on")
    return min(int(value), MAX_NUMBER)


_CONTROLS: Mapping[str, Callable[[_Sent, str], None]] = {
    "includefield": _include_field,
    "fuzzymatching": _fuzzy_matching,
    **{name: partial(_always_on, name) for name in ("emptyvaluematching", "multiplevaluematching")},
    "limit": _limit,
    "offset": _offset,
    "orderby": _order_by,
}


def _take_modality_for_modalities(sent: _Sent) -> None:
    """At study level, Modality means Modalities in Study; viewers send either."""
    if _MODALITY in sent.keys:
        sent.keys.setdefault(_MODALITIES, sent.keys.pop(_MODALITY))
    if _MODALITY in sent.included:
        sent.included[_MODALITIES] = sent.included.pop(_MODALITY)


def _raw_keys(sent: _Sent) -> Iterator[RawKey]:
    items: dict[int, dict[int, str]] = {}
    for path, value in sent.keys.items():
        attribute = BY_TAG.get(path[0])
        if len(path) == 1:
            yield path[0], value
        elif attribute is None or (len(path) == 2 and keyword_for_tag(path[1]) in attribute.items):
            items.setdefault(path[0], {})[path[1]] = value
        elif attribute.matching is not Matching.SEQUENCE:
            raise InvalidQuery(f"{attribute.keyword} is not a sequence", attribute.tag)
        else:
            sent.ignored[".".join(map(_name, path))] = None
    for tag, item in items.items():
        yield tag, [item]


def _include(level: Level, within: Mapping[str, str], sent: _Sent, query: Query) -> tuple[Attribute, ...]:
    """The attributes to return: Tables 10.6.3-3 to -5 for each level that the path does not fix, those
    matched, and those requested by includefield."""
    above = [one for one in LEVELS if one.depth < level.depth]
    named = {one for one in above if UNIQUE_KEY[one] in within}
    if Level.STUDY in named:
        named.add(Level.PATIENT)
    told = [one for one in LEVELS[: level.depth + 1] if one not in named]
    found = list(query.include)
    found += [a for a in TABLE if (a.default and a.level in told) or sent.everything]
    for path, name in sent.included.items():
        if attribute := BY_TAG.get(path[0]):
            found.append(attribute)
        if path[0] not in _IN_EVERY_ANSWER and (attribute is None or attribute.level.depth > level.depth):
            sent.ignored[name] = None
    reachable = (a for a in found if a.level.depth <= level.depth)
    return tuple(dict.fromkeys(reachable))


def _name(tag: int) -> str:
    attribute = BY_TAG.get(tag)
    return attribute.keyword if attribute else f"{tag:08X}"


def _printable(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]", "?", name)[:64]
