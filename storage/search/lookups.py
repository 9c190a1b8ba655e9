"""The indexes by which a condition's rows can be looked up, each as a SELECT of their keys.

What is looked up includes all matches of the conditions that it serves; all conditions of the query are
applied to it again (`storage.search.selection`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Select, Text, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from pacs.attributes import BY_KEYWORD, LEVELS, SAID_BY_STUDY, Level
from pacs.search.query import Condition, Items, OneOf, Range
from storage import tables
from storage.search.conditions import PARENT, Conditions, key, unindexed
from storage.search.selection import Search
from storage.search.trigrams import hits, is_indexed, match_expression, pair, pair_hits
from storage.tables import TABLES

_STUDY_DATE = BY_KEYWORD["StudyDate"]
_UIDS = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
_WITH_INDEX = frozenset(
    [
        SAID_BY_STUDY[BY_KEYWORD["PatientBirthDate"]],
        *(
            BY_KEYWORD[keyword]
            for keyword in ("PatientID", "PatientBirthDate", "AccessionNumber", "StudyID", "Modality")
        ),
    ]
)
"""Attributes with an index of their own (`storage.tables`), because they are searched by value."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """`keys`: selects the keys of rows of this level. `serves`: the conditions that it looks up."""

    level: Level
    keys: Select[int]
    serves: tuple[Condition, ...]

    def up_to(self, level: Level) -> Lookup:
        """The same at `level` or above: the parents of the rows, perhaps with repetitions."""
        if self.level.depth <= level.depth:
            return self
        here, hit = TABLES[self.level], self.keys.subquery()
        above = select(here.c[PARENT[self.level]]).join(hit, hit.c[0] == here.c.pk)
        return replace(self, level=LEVELS[self.level.depth - 1], keys=above).up_to(level)


Strategy = Callable[[Search, Level], Iterator[Lookup]]
"""The lookups that one kind of index offers for the conditions of one level."""


def by_uid(search: Search) -> Lookup | None:
    """UIDs select few rows, those of the lowest level the fewest."""
    given = {c.attribute.keyword: c for c in search.query.conditions if isinstance(c.test, OneOf)}
    for keyword in _UIDS:
        if keyword in given:
            condition = given[keyword]
            level = condition.attribute.level
            return Lookup(level, selected(search, level, [condition]), (condition,))
    return None


def by_item(search: Search, level: Level) -> Iterator[Lookup]:
    """By the first of the item's keys; the others are checked by the condition."""
    row = tables.sequence_values
    for condition in _conditions(search, level):
        if isinstance(condition.test, Items):
            keyword, test = condition.test.tests[0]
            owners = select(row.c.owner).where(
                row.c.org_id == search.organization,
                row.c.level == level.value,
                row.c.sequence == condition.attribute.keyword,
                row.c.keyword == keyword,
                search.conditions.item_value(row.c.value, test),
            )
            yield Lookup(level, owners, (condition,))


def by_value(search: Search, level: Level) -> Iterator[Lookup]:
    for condition in _conditions(search, level):
        if _asks_for_value(condition):
            yield Lookup(level, selected(search, level, [condition]), (condition,))


def by_letter_pair(search: Search, level: Level) -> Iterator[Lookup]:
    """For patterns too short for trigrams. PostgreSQL has such an index for patients' names only."""
    for condition in _conditions(search, level):
        attribute = condition.attribute
        if not is_indexed(attribute) or _asks_for_value(condition) or _trigrams(condition):
            continue
        if (letters := pair(attribute, condition.test)) is None:
            continue
        if search.dialect == "sqlite":
            yield Lookup(level, pair_hits(attribute, letters), (condition,))
        elif attribute.keyword == "PatientName":
            pairs = func.letter_pairs(key(attribute), type_=ARRAY(Text)).contains([letters])
            named = TABLES[level].c
            found = select(named.pk).where(unindexed(named.org_id) == search.organization, pairs)
            yield Lookup(level, found, (condition,))


def by_trigrams(search: Search, level: Level) -> Iterator[Lookup]:
    """All conditions that have trigrams, together, because the index intersects them."""
    served, by_expression = list[Condition](), dict[str, Condition]()
    for condition in _conditions(search, level):
        if not _asks_for_value(condition) and (expression := _trigrams(condition)):
            served.append(condition)
            by_expression[expression] = condition
    if not served:
        return
    conditions = list(by_expression.values())
    if search.dialect == "sqlite":
        found = hits(TABLES[level].name, by_expression)
    elif [c.attribute.keyword for c in conditions] == ["ModalitiesInStudy"]:
        found = selected(search, level, conditions)  # few enough to know their number
    else:
        found = matching(search, level, conditions)
    yield Lookup(level, found, tuple(served))


def by_day(search: Search, level: Level) -> Iterator[Lookup]:
    """Newest first, days are a range of the order itself."""
    days = [c for c in _conditions(search, level) if c.attribute is _STUDY_DATE]
    if days and search.query.order:
        yield Lookup(level, selected(search, level, days), tuple(days))


CHEAP: tuple[Strategy, ...] = (
    by_item,  # ix_sequence_values_org_id_sequence_keyword_value
    by_value,  # ix_patients_org_id_patient_id, ix_studies_org_id_accession_number and others
    by_letter_pair,  # patients_trigrams_where, studies_trigrams_where; ix_…_patient_name_key_pairs
)
STRATEGIES: tuple[Strategy, ...] = (
    *CHEAP,
    by_trigrams,  # patients_trigrams, studies_trigrams; ix_patients_…_trigrams, ix_studies_…_trigrams
    by_day,  # ix_studies_newest_first
)
"""Each with its indexes, SQLite's before PostgreSQL's. A `CHEAP` one costs as much as the rows that it finds,
usually few; trigrams may be common or rare."""


def matching(search: Search, level: Level, conditions: Sequence[Condition]) -> Select[int]:
    """Without the organisation's index: by another one, or by none."""
    table, clauses = TABLES[level], map(Conditions(search.dialect).clause, conditions)
    return select(table.c.pk).where(unindexed(table.c.org_id) == search.organization, *clauses)


def selected(search: Search, level: Level, conditions: Sequence[Condition]) -> Select[int]:
    """By an index that begins with the organisation."""
    table, clauses = TABLES[level], map(Conditions(search.dialect).clause, conditions)
    found = select(table.c.pk).where(table.c.org_id == search.organization)
    return found.where(*clauses).correlate(None)


def _conditions(search: Search, level: Level) -> Iterator[Condition]:
    return (c for c in search.query.conditions if c.attribute.level is level)


def _trigrams(condition: Condition) -> str | None:
    if not is_indexed(condition.attribute):
        return None
    return match_expression(condition.attribute, condition.test)


def _asks_for_value(condition: Condition) -> bool:
    test = condition.test
    value = isinstance(test, OneOf) or (isinstance(test, Range) and test.low == test.high)
    return value and condition.attribute in _WITH_INDEX
