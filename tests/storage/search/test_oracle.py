"""Both databases answer as a slow and plain reading of PS3.4 §C.2.2.2 does, in the same order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pacs.attributes import BY_KEYWORD, LEVELS, SAID_BY_STUDY, Attribute, Level, Matching
from pacs.errors import InvalidQuery
from pacs.search.matching import integer, name_group, normalize
from pacs.search.parser import DATE_TIME, FUZZY, RELATIONAL, Scope, parse_query
from pacs.search.query import (
    AnyOf,
    Condition,
    DateTimeRange,
    Either,
    Empty,
    FuzzyName,
    Items,
    OneOf,
    Query,
    Range,
    Test,
    Wildcard,
)
from pacs.search.text import fold, sound, words
from storage.database import Database
from storage.search import pages as search
from storage.search import tuning
from storage.search.plan import candidates
from storage.search.selection import Search, as_studies_say
from tests.storage.bulk import Entity, add_organization, clear, enter

LETTERS = st.sampled_from(
    ["a", "A", "b", "ß", "Ä", "_", "%", "[", "]", "-", "'", '"', "~", "/", "1", "и", "山", " "]
)
TEXT = st.lists(LETTERS, max_size=4).map("".join)
PATTERN = st.lists(LETTERS | st.sampled_from(["*", "*", "?"]), min_size=1, max_size=4).map("".join)
PATTERN |= st.tuples(st.sampled_from(["*{}*", "{}*", "*{}", "?{}*", "*{}?"]), LETTERS).map(
    lambda p: p[0].format(p[1])
)
SEVERAL = st.lists(TEXT, min_size=1, max_size=3).map("\\".join)
NAME = st.lists(st.lists(TEXT, min_size=1, max_size=3).map("^".join), min_size=1, max_size=3).map("=".join)
NAME_PATTERN = PATTERN | st.lists(PATTERN, min_size=1, max_size=3).map("^".join)
NAME_PATTERN |= st.lists(NAME_PATTERN, min_size=1, max_size=2).map("=".join)
DAY = st.sampled_from(["20240101", "20240102", "2024.01.03", "20231231", "junk"])
TIME = st.sampled_from(["10", "1030", "103015", "103015.5", "235959", "junk"])
DAY_QUERY = st.sampled_from(["20240101", "20240102-", "-20240101", "20231231-20240102", '""'])
TIME_QUERY = st.sampled_from(["10", "1030-", "-103015", "09-1030", "103015.5"])
NUMBER = st.sampled_from(["1", "02", "-1", "x", "3.0"])
UID = st.sampled_from(["1.2", "1.3", "1.4"])

# keyword: (values stored, values asked for)
KINDS: Mapping[str, tuple[st.SearchStrategy[str], st.SearchStrategy[str]]] = {
    "PatientName": (NAME, NAME_PATTERN),
    "PatientID": (TEXT, PATTERN),
    "OtherPatientIDs": (SEVERAL, PATTERN | SEVERAL),
    "OtherPatientNames": (st.lists(NAME, min_size=1, max_size=2).map("\\".join), NAME_PATTERN),
    "PatientBirthDate": (DAY, DAY_QUERY),
    "PatientComments": (TEXT, PATTERN),
    "StudyDate": (DAY, DAY_QUERY),
    "StudyTime": (TIME, TIME_QUERY),
    "AccessionNumber": (TEXT, PATTERN),
    "StudyDescription": (TEXT, PATTERN),
    "AdmittingDiagnosesDescription": (SEVERAL, PATTERN),
    "ReferringPhysicianName": (NAME, NAME_PATTERN),
    "ModalitiesInStudy": (
        st.sampled_from(["CT", "CT\\MR", "XCT", "MR"]),
        st.sampled_from(["CT", "*T", "M?\\US"]),
    ),
    "SOPClassesInStudy": (UID, st.sampled_from(["1.2", "1.2\\1.3"])),
    "NumberOfStudyRelatedSeries": (st.just("0"), st.sampled_from(["0", "1"])),
    "SeriesNumber": (NUMBER, st.sampled_from(["1", "3", "-1"])),
    "Modality": (st.sampled_from(["CT", "MR"]), st.sampled_from(["CT", "?R", '""'])),
    "SeriesDescription": (TEXT, PATTERN),
    "InstanceNumber": (NUMBER, st.sampled_from(["1", "3"])),
    "AcquisitionDateTime": (
        st.sampled_from(["2024", "20240101103015+0100", "20240101093015.25"]),
        st.sampled_from(["20240101", "2024010109", "-20240101093015", "2023-20240101+0100"]),
    ),
    "ImageType": (SEVERAL, PATTERN),
}
SAID = {attribute.keyword for attribute in SAID_BY_STUDY}
CODES = "ProcedureCodeSequence"
ITEM = st.dictionaries(
    st.sampled_from([0x00080100, 0x00080102]), st.text("Ab*", min_size=1, max_size=2), max_size=2
)
CALLED = {
    Level.PATIENT: "IssuerOfPatientID",
    Level.STUDY: "StudyInstanceUID",
    Level.SERIES: "SeriesInstanceUID",
    Level.IMAGE: "SOPInstanceUID",
}


@st.composite
def worlds(draw: st.DrawFn) -> list[Entity]:
    """A few entities of each level, in two organisations; a child has its parent's."""
    world: list[Entity] = []
    above: list[Entity] = []
    for level in LEVELS:
        here = []
        for pk in range(1, draw(st.integers(1, 5 if level is Level.PATIENT else 8)) + 1):
            parent = draw(st.sampled_from(above)) if above else None
            organization = parent.organization if parent else draw(st.sampled_from([1, 1, 1, 2]))
            values = draw(_values(level))
            values[CALLED[level]] = f"1.{level.depth}.{pk}"
            here.append(Entity(level, pk, parent.pk if parent else 0, values, organization))
        world += here
        above = here
    return world


@st.composite
def _values(draw: st.DrawFn, level: Level) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for keyword, (stored, _) in KINDS.items():
        if BY_KEYWORD[keyword].level is not level and not (level is Level.STUDY and keyword in SAID):
            continue
        value = draw(st.none() | stored)
        if keyword == "NumberOfStudyRelatedSeries":
            values[keyword] = 0
        elif value:
            values[keyword] = value
    if level is Level.STUDY and (items := draw(st.lists(ITEM, max_size=2))):
        values[CODES] = [
            {f"{tag:08X}": {"vr": "SH", "Value": [value]} for tag, value in item.items()} for item in items
        ]
    return values


@st.composite
def queries(draw: st.DrawFn) -> Query:
    level = draw(st.sampled_from(LEVELS))
    here = sorted(k for k in KINDS if BY_KEYWORD[k].level.depth <= level.depth)
    below = sorted(KINDS.keys() - set(here))
    asked = draw(st.lists(st.sampled_from(here), min_size=1, max_size=2, unique=True))
    if below and draw(st.integers(0, 2)) == 0:
        asked += draw(st.lists(st.sampled_from(below), min_size=1, max_size=2, unique=True))
    keys: list[tuple[int, Any]] = [(BY_KEYWORD[k].tag, draw(KINDS[k][1])) for k in asked]
    if draw(st.integers(0, 4)) == 0:
        keys.append((BY_KEYWORD[CODES].tag, [draw(ITEM)]))
    if level.depth > 1 and draw(st.booleans()):
        keys.append((BY_KEYWORD["StudyInstanceUID"].tag, draw(st.sampled_from(["1.1.1", "1.1.1\\1.1.2"]))))
    options = frozenset({RELATIONAL, *draw(st.sets(st.sampled_from([FUZZY, DATE_TIME])))})
    try:
        query = parse_query(Scope(level, options=options), keys)
    except InvalidQuery:
        return Query(level)
    return _of_series_too(query) if level is Level.STUDY and draw(st.booleans()) else query


def _of_series_too(query: Query) -> Query:
    """What is asked of a study's description may be true of one of its series'."""
    described, below = BY_KEYWORD["StudyDescription"], BY_KEYWORD["SeriesDescription"]
    conditions = (
        replace(each, test=Either(below, each.test)) if each.attribute is described else each
        for each in query.conditions
    )
    return replace(query, conditions=tuple(conditions))


def expected(world: list[Entity], query: Query, numbered: bool) -> list[int]:
    """Keys of the matching rows in order."""
    rows = {(entity.level, entity.pk): entity for entity in world}
    found = []
    for entity in world:
        if entity.level is not query.level or entity.organization != 1:
            continue
        values: dict[str, Any] = {}
        one: Entity | None = entity
        while one is not None:
            values = {**one.values, **values} if one.level is not Level.PATIENT else _of_patient(values, one)
            one = rows.get((LEVELS[one.level.depth - 1], one.parent)) if one.level.depth else None
        above = (c for c in query.conditions if c.attribute.level.depth <= query.level.depth)
        if all(_holds(world, c, entity, values) for c in above) and _below(world, query, entity):
            found.append((entity, values))
    found.sort(key=lambda pair: _place(query.level, pair[0], pair[1], numbered))
    return [entity.pk for entity, _ in found]


def _of_patient(below: Mapping[str, Any], patient: Entity) -> dict[str, Any]:
    """What the patient's row says, but for what the study says itself: all of it, if it says any."""
    said = SAID.intersection(below) if patient is not None else set()
    kept = {k: v for k, v in patient.values.items() if not (said and k in SAID)}
    return {**kept, **below}


def _holds(world: list[Entity], asked: Condition, entity: Entity, values: Mapping[str, Any]) -> bool:
    if not isinstance(asked.test, Either):
        return matches(asked.attribute, asked.test, values)
    below, test = asked.test.below, asked.test.test
    children = (one for one in world if one.level is below.level and one.parent == entity.pk)
    return matches(asked.attribute, test, values) or any(matches(below, test, one.values) for one in children)


def _below(world: list[Entity], query: Query, entity: Entity) -> bool:
    """Whether one path from here down fits every key of the levels that it passes."""
    deeper = [c for c in query.conditions if c.attribute.level.depth > entity.level.depth]
    if not deeper:
        return True
    level = LEVELS[entity.level.depth + 1]
    asked = [c for c in deeper if c.attribute.level is level]
    return any(
        all(matches(c.attribute, c.test, child.values) for c in asked) and _below(world, query, child)
        for child in world
        if child.level is level and child.parent == entity.pk
    )


class _Down(str):
    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)


def _place(level: Level, entity: Entity, values: Mapping[str, Any], numbered: bool) -> tuple[Any, ...]:
    if level is Level.PATIENT:
        return (_key(values, "PatientName") or "", entity.pk)
    if level is Level.STUDY:
        return (*(_Down(_key(values, k) or "") for k in ("StudyDate", "StudyTime")), -entity.pk)
    if not numbered:
        return (-entity.pk,)
    number = _key(values, "SeriesNumber" if level is Level.SERIES else "InstanceNumber")
    return (-entity.parent, float("inf") if number is None else number, entity.pk)


def _key(values: Mapping[str, Any], keyword: str) -> Any:
    return normalize(BY_KEYWORD[keyword], values[keyword]) if keyword in values else None


def matches(attribute: Attribute, test: Test, values: Mapping[str, Any]) -> bool:
    assert not isinstance(test, Either)
    value = values.get(attribute.keyword)
    if isinstance(test, AnyOf):
        return any(matches(attribute, one, values) for one in test.tests)
    if isinstance(test, Empty):
        return value is None
    if isinstance(test, DateTimeRange):
        return _in_range(test, _key(values, attribute.keyword), _key(values, test.time.keyword))
    if value is None:
        return False
    if isinstance(test, Items):
        return any(_item(item, test) for item in value)
    if isinstance(test, FuzzyName):
        heard = words("^".join(name_group(g) for v in value.split("\\") for g in v.split("=")))
        sounds = {sound(word) for word in heard} - {""}
        return all(any(h.startswith(w) for h in heard) or sound(w) in sounds for w in test.words)
    if isinstance(test, Range):
        key = _key(values, attribute.keyword)
        return key is not None and (test.low or "") <= key <= (test.high or "9")
    return any(_one(single, test) for single in _singles(attribute, value))


def _in_range(test: DateTimeRange, day: str | None, time: str | None) -> bool:
    if day is None:
        return False
    after = test.low is None or day > test.low[0] or (day == test.low[0] and (time or "") >= test.low[1])
    before = (
        test.high is None
        or day < test.high[0]
        or (day == test.high[0] and time is not None and time <= test.high[1])
    )
    return after and before


def _singles(attribute: Attribute, value: Any) -> Iterator[str | int]:
    if attribute.matching is Matching.NUMBER:
        number = integer(str(value))
        if number is not None:
            yield number
        return
    for one in value.split("\\") if attribute.multiple else [value]:
        if attribute.matching is Matching.NAME:
            yield from filter(None, map(name_group, one.split("=")))
        else:
            yield fold(one) if attribute.matching is Matching.TEXT else one


def _one(value: str | int, test: OneOf | Wildcard) -> bool:
    if isinstance(test, OneOf):
        return value in test.values
    regex = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in test.pattern)
    return re.fullmatch(regex, str(value), re.DOTALL) is not None


def _item(item: Mapping[str, Any], test: Items) -> bool:
    for keyword, one in test.tests:
        held = item.get(f"{BY_ITEM[keyword]:08X}", {}).get("Value", [""])[0]
        if not held or not _one(held, one):
            return False
    return True


BY_ITEM = {"CodeValue": 0x00080100, "CodingSchemeDesignator": 0x00080102}


@pytest.fixture(params=[5_000, -1], ids=["from the rare", "along the order"])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Pages of a few rows, and one way to them or the other."""
    monkeypatch.setattr(tuning, "FEW", request.param)
    monkeypatch.setattr(tuning, "FIRST_PAGE", 2)
    monkeypatch.setattr(tuning, "NEXT_PAGES", 3)
    return int(request.param)


@pytest.fixture
def shared(database: Database) -> Database:
    with database.write() as connection:
        add_organization(connection, 2)
    return database


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(world=worlds(), asked=st.lists(queries(), min_size=8, max_size=8))
def test_searches_find_what_they_should(
    shared: Database, few: int, world: list[Entity], asked: list[Query]
) -> None:
    database = shared
    with database.write() as connection:
        clear(connection)
        enter(connection, world)
    for query in asked:
        with database.read() as connection:
            started = candidates(connection, Search(1, as_studies_say(query), database.dialect)) is not None
        called = BY_KEYWORD[CALLED[query.level]]
        answers = search.find(database, 1, replace(query, include=(called,)))
        found = [int(values[called.keyword].split(".")[-1]) for values in answers]
        assert found == expected(world, query, started), query
        assert search.count(database, 1, query) == len(found)
