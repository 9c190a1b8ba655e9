"""Lists of studies in every order that the REST API offers: right, and read along an index."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from pacs.attributes import Level
from pacs.http.rest.listing import Page
from pacs.http.rest.study_filters import RECEIVED, SORTS, study_query
from pacs.model import Values
from storage.database import Database
from storage.search import pages as search
from storage.search import tuning
from tests.storage import bulk
from tests.storage.bulk import Entity

STUDIES = 240
ORDERS = [sign + name for name in (*SORTS, RECEIVED) for sign in ("", "-")]
FILTERED: dict[str, dict[str, str]] = {
    "all": {},
    "a common name": {"patient_name": "ros"},
    "a rare name": {"patient_name": "kenbu"},
    "a modality": {"modality": "CT"},
    "a modality in some days": {"modality": "CT", "date": "20100101-20121231"},
    "days": {"date": "20100101-20101231"},
    "a day": {"date": "20100131"},
    "a common state": {"status": "unread"},
    "a rare priority": {"priority": "stat"},
    "a rare priority of a modality": {"priority": "stat", "modality": "CT"},
    "nothing": {"priority": "urgent"},
}


@pytest.fixture(scope="module")
def filled(module_database: Database) -> Database:
    """Some without name, number or description, some of the same name; two organisations."""
    chosen = random.Random(7)
    with module_database.write() as connection:
        bulk.add_organization(connection, 2)
        bulk.enter(connection, [_thinned(entity, chosen) for entity in bulk.studies(range(STUDIES))])
        other = {"PatientName": "Aaron", "StudyInstanceUID": "2.1", "StudyDate": "20100131"}
        bulk.enter(
            connection,
            [Entity(Level.PATIENT, 90_001, 0, other, 2), Entity(Level.STUDY, 90_001, 90_001, other, 2)],
        )
        connection.execute(text("UPDATE studies SET priority = 'stat' WHERE pk % 200 = 4"))
        connection.execute(text("UPDATE studies SET last_received_at = 1 + pk * 7919 % 601"))
        connection.execute(text("ANALYZE"))
    return module_database


def _thinned(entity: Entity, chosen: random.Random) -> Entity:
    values = dict(entity.values)
    for keyword in ("PatientName", "PatientID", "AccessionNumber", "StudyDescription", "StudyDate"):
        if chosen.random() < 0.05:
            values.pop(keyword, None)
    return Entity(entity.level, entity.pk, entity.parent, values, entity.organization)


@pytest.fixture
def plans(filled: Database) -> Iterator[list[str]]:
    seen: list[str] = []
    explain = "EXPLAIN QUERY PLAN " if filled.dialect == "sqlite" else "EXPLAIN "

    def watching(connection: Connection, cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.startswith("SELECT studies.study_instance_uid"):
            rows = connection.exec_driver_sql(explain + statement, values)
            seen.append("\n".join(str(row[-1]) for row in rows))

    event.listen(filled._searcher, "before_cursor_execute", watching)
    yield seen
    event.remove(filled._searcher, "before_cursor_execute", watching)


def listed(database: Database, given: dict[str, str], limit: int = STUDIES, offset: int = 0) -> list[Values]:
    return search.page(database, 1, study_query(given, Page(limit, offset))).answers


def key(name: str, values: Values) -> tuple[str, ...]:
    if name == RECEIVED:
        return (f"{values['LastReceivedAt']:>20}",)
    return tuple(str(values.get(keyword, "")).lower() for keyword in SORTS[name])


@pytest.mark.parametrize("sort", ORDERS)
@pytest.mark.parametrize("few", [0, 5_000])
@pytest.mark.parametrize("case", FILTERED)
def test_the_order_and_its_pages(
    filled: Database, monkeypatch: pytest.MonkeyPatch, case: str, few: int, sort: str
) -> None:
    """Collected or met along an index, whole or in pages."""
    monkeypatch.setattr(tuning, "FEWEST", few)
    monkeypatch.setattr(tuning, "FEW", few)
    given = {**FILTERED[case], "sort": sort}
    fit = {values["StudyInstanceUID"] for values in listed(filled, FILTERED[case])}
    every = listed(filled, given)
    uids = [values["StudyInstanceUID"] for values in every]
    assert len(uids) == len(fit) and set(uids) == fit and "2.1" not in fit
    keys = [key(sort.removeprefix("-"), values) for values in every]
    for before, after in pairwise(keys):
        assert before >= after if sort.startswith("-") else before <= after
    for offset in (0, 3, len(uids) // 2, len(uids)):
        part = search.page(filled, 1, study_query(given, Page(20, offset)))
        assert [values["StudyInstanceUID"] for values in part.answers] == uids[offset : offset + 20]
        assert part.total == len(uids)


@pytest.mark.parametrize("sort", [sort for sort in ORDERS if sort != "-date"])
def test_no_order_needs_everything_sorted(
    filled: Database, monkeypatch: pytest.MonkeyPatch, plans: list[str], sort: str
) -> None:
    monkeypatch.setattr(tuning, "FEWEST", 0)
    monkeypatch.setattr(tuning, "FEW", 0)
    for given in ({}, {"status": "unread"}):
        plans.clear()
        assert len(listed(filled, {**given, "sort": sort}, limit=10)) == 10
        (page,) = plans
        assert re.search(r"ix_\w+_(by_|newest|org_id_last_received)", page), page
        whole = r"TEMP B-TREE FOR ORDER BY|(?<!Incremental )Sort  "
        assert not re.search(whole, page), page
