"""What the filters of the REST list select, down to the rows."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from pacs.attributes import BY_KEYWORD, Level
from pacs.http.rest.listing import Page
from pacs.http.rest.study_filters import study_query
from pacs.search.query import Condition, Items, OneOf, Query
from storage.database import Database
from storage.search import pages as search
from tests.storage import bulk
from tests.storage.bulk import Entity

PARTS = {"1.1": ("HAND", None), "1.2": (None, "HAND"), "1.3": ("HAND", "CHEST"), "1.4": (None, None)}
"""What users say and what images say of each study."""


@pytest.fixture
def filled(database: Database) -> Database:
    with database.write() as connection:
        for pk, (uid, (_, examined)) in enumerate(PARTS.items(), 1):
            named = {"PatientName": f"Doe^{'Jane' if pk % 2 else 'John'}", "PatientID": f"P{pk}"}
            entities = [
                Entity(Level.PATIENT, pk, 0, named),
                Entity(Level.STUDY, pk, pk, {"StudyInstanceUID": uid, "AccessionNumber": f"A{pk}"}),
            ]
            if examined:
                one = {"SeriesInstanceUID": f"{uid}.1", "Modality": "CR", "BodyPartExamined": examined}
                entities.append(Entity(Level.SERIES, pk, pk, one))
            bulk.enter(connection, entities)
    with database.write() as connection:
        said = [{"pk": pk, "said": said} for pk, (said, _) in enumerate(PARTS.values(), 1)]
        connection.execute(text("UPDATE studies SET body_part = :said WHERE pk = :pk"), said)
    return database


def uids(database: Database, **given: str) -> list[str]:
    found = search.page(database, 1, study_query(given, Page()))
    assert found.total == len(found.answers)
    return sorted(values["StudyInstanceUID"] for values in found.answers)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("hand", ["1.1", "1.2", "1.3"]),
        ("CHEST", ["1.3"]),
        ("foot,chest", ["1.3"]),
        ("H*", ["1.1", "1.2", "1.3"]),
        ("?HEST", ["1.3"]),
        ("HEAD", []),
    ],
)
def test_a_body_part_is_what_users_or_what_images_say(
    filled: Database, asked: str, expected: list[str]
) -> None:
    assert uids(filled, body_part=asked) == expected
    assert uids(filled, body_part=asked, sort="patient_name") == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"patient": "doe", "patient_name": "jane"}, ["1.1", "1.3"]),
        ({"patient": "P1", "patient_id": "P2"}, []),
        ({"accession": "A1", "accession_number": "A2"}, []),
        ({"status": "unread", "state": "final"}, []),
    ],
)
def test_two_filters_of_one_attribute_hold_both(
    filled: Database, given: dict[str, str], expected: list[str]
) -> None:
    assert uids(filled, **given) == expected


def test_what_has_no_date_is_not_before_any(filled: Database) -> None:
    with filled.write() as connection:
        connection.execute(
            text("UPDATE studies SET study_date = :day, study_date_key = :day WHERE pk = 2"),
            {"day": "20240131"},
        )
    for given in ({"date_to": "2024-12-31"}, {"date": "-20240131"}, {"date_from": "2024-01-31"}):
        assert uids(filled, **given) == ["1.2"]
        assert uids(filled, **given, sort="patient_name") == ["1.2"]


def test_one_item_of_a_sequence_meets_all_that_is_asked_of_it(database: Database) -> None:
    """PS3.4 C.2.2.2.6: not one item the code, and another one its scheme."""
    codes = [
        {"00080100": {"vr": "SH", "Value": [code]}, "00080102": {"vr": "SH", "Value": [scheme]}}
        for code, scheme in (("A", "X"), ("B", "Y"))
    ]
    entities = [
        Entity(Level.PATIENT, 1, 0, {"PatientID": "P"}),
        Entity(Level.STUDY, 1, 1, {"StudyInstanceUID": "1.1", "ProcedureCodeSequence": codes}),
    ]
    with database.write() as connection:
        bulk.enter(connection, entities)
    for code, scheme, met in (("A", "X", 1), ("B", "Y", 1), ("A", "Y", 0), ("B", "X", 0)):
        items = Items((("CodeValue", OneOf((code,))), ("CodingSchemeDesignator", OneOf((scheme,)))))
        query = Query(Level.STUDY, (Condition(BY_KEYWORD["ProcedureCodeSequence"], items),))
        assert search.count(database, 1, query) == met, (code, scheme)
