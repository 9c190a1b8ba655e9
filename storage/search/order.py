"""The order of a query's answers: its sort keys, the index that has them, and where the next page begins.

Pages continue by key, not by offset: instances received meanwhile neither shift nor repeat answers, no page
costs more than the first, and no cursor stays open while a peer is slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, Table, and_, func, literal_column, or_, tuple_

from pacs.attributes import BY_KEYWORD, Attribute, Level, Matching
from pacs.search.query import Query
from storage.search.conditions import PARENT, blank_or_key, key
from storage.tables import TABLES

_BY_DEFAULT = {Level.PATIENT: "ix_patients_by_name", Level.STUDY: "ix_studies_newest_first"}
_BY_FIRST_ATTRIBUTE = {
    "StudyDate": "ix_studies_newest_first",
    "PatientName": "ix_studies_by_name",
    "PatientID": "ix_patients_by_id",
    "AccessionNumber": "ix_studies_by_accession",
    "StudyDescription": "ix_studies_by_description",
    "LastReceivedAt": "ix_studies_org_id_last_received_at",
}
"""The index of studies in an order that begins with the attribute; one for each sort of the REST API."""

_NUMBER = {Level.SERIES: BY_KEYWORD["SeriesNumber"], Level.IMAGE: BY_KEYWORD["InstanceNumber"]}
_LAST_NUMBER = literal_column(str((1 << 63) - 1), BigInteger)


@dataclass(frozen=True, slots=True)
class Term:
    """One sort key. Blanks sort lowest, so `descending` puts them last."""

    expression: ColumnElement[Any]
    descending: bool


def index_of(query: Query) -> str | None:
    """The index that has the query's order, to be walked along."""
    if query.order:
        return _BY_FIRST_ATTRIBUTE.get(query.order[0][0].keyword)
    return _BY_DEFAULT.get(query.level)


def leading_table(query: Query) -> Table:
    """The table that the order begins with, to which its index belongs."""
    return TABLES[query.order[0][0].level if query.order else query.level]


def terms_of(query: Query, walks: bool) -> list[Term]:
    """The sort keys, the last of which is unique. Of all series or instances, it is the only one."""
    level, pk = query.level, TABLES[query.level].c.pk
    if query.order:
        terms = [Term(_sortable(attribute), descending) for attribute, descending in query.order]
        lead = leading_table(query)
        if lead is not TABLES[level]:
            terms.append(Term(lead.c.pk, terms[-1].descending))
        return [*terms, Term(pk, terms[-1].descending)]
    if level is Level.PATIENT:
        return [Term(blank_or_key(BY_KEYWORD["PatientName"]), False), Term(pk, False)]
    if level is Level.STUDY:
        days = [Term(blank_or_key(BY_KEYWORD[k]), True) for k in ("StudyDate", "StudyTime")]
        return [*days, Term(pk, True)]
    if walks:
        return [Term(pk, True)]
    parent = TABLES[level].c[PARENT[level]]
    return [Term(parent, True), Term(_sortable(_NUMBER[level]), False), Term(pk, False)]


def order_by(query: Query, walks: bool) -> list[ColumnElement[Any]]:
    """Few collected rows are sorted by the same keys, written so that no index seems to have them."""
    hidden = not walks and query.level in _BY_DEFAULT
    ordered: list[ColumnElement[Any]] = []
    for term in terms_of(query, walks):
        by = func.coalesce(term.expression, term.expression) if hidden else term.expression
        ordered.append(by.desc() if term.descending else by.asc())
    return ordered


def sort_rows(rows: Sequence[Row[Any]], terms: Sequence[Term]) -> Sequence[Row[Any]]:
    """By the order values, which are the last columns of each row."""
    ordered = list(rows)
    for place, term in enumerate(reversed(terms), 1):
        ordered.sort(key=itemgetter(-place), reverse=term.descending)
    return ordered


def up_to(terms: Sequence[Term], edge: Sequence[Any]) -> ColumnElement[bool]:
    """No further than the row with these order values, where all terms descend."""
    return and_(terms[0].expression >= edge[0], tuple_(*(term.expression for term in terms)) >= tuple_(*edge))


def after(terms: Sequence[Term], last: Sequence[Any]) -> ColumnElement[bool]:
    """Lexicographically behind the row with these order values. The separate bound of the first term is for
    SQLite's planner."""
    first = terms[0]
    bound = first.expression <= last[0] if first.descending else first.expression >= last[0]
    if len({term.descending for term in terms}) == 1:
        here, there = tuple_(*(term.expression for term in terms)), tuple_(*last)
        return and_(bound, here < there if first.descending else here > there)
    ways = []
    for i, term in enumerate(terms):
        same = [t.expression == v for t, v in zip(terms[:i], last[:i], strict=True)]
        further = term.expression < last[i] if term.descending else term.expression > last[i]
        ways.append(and_(*same, further))
    return and_(bound, or_(*ways))


def _sortable(attribute: Attribute) -> ColumnElement[Any]:
    if attribute.matching is Matching.NUMBER:
        number: ColumnElement[Any] = key(attribute)
        return func.coalesce(number, _LAST_NUMBER) if getattr(number, "nullable", True) else number
    return blank_or_key(attribute)
