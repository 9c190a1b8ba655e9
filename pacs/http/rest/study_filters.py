"""The filters of `GET /api/v1/studies` as conditions of the one `Query` that C-FIND and QIDO-RS use too."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pacs.archive_attributes import BODY_PART, LAST_RECEIVED, PRIORITY, STATE
from pacs.attributes import BY_KEYWORD, Attribute, Level
from pacs.errors import BadInput
from pacs.http.operation import TEXT, Schema, one_of
from pacs.http.rest import shapes
from pacs.http.rest.listing import Page
from pacs.search.query import Condition, Either, OneOf, Query
from pacs.search.values import parse_value
from pacs.study_management import Priority
from pacs.study_states import State

_PLAIN = {
    "patient_id": "PatientID",
    "patient_name": "PatientName",
    "accession": "AccessionNumber",
    "accession_number": "AccessionNumber",
    "study_id": "StudyID",
    "study_instance_uid": "StudyInstanceUID",
    "modality": "ModalitiesInStudy",
    "body_part": "BodyPartExamined",
    "description": "StudyDescription",
    "referring_physician": "ReferringPhysicianName",
}
"""Parameter → keyword; values as in C-FIND, wildcards included. A body part is also what users say it is."""
_CONTAINED = frozenset({"patient_name", "description", "referring_physician"})
"""Filters that match anywhere in the value, unless the caller gives wildcards."""
_LISTED = frozenset({"modality", "body_part", "study_instance_uid", "accession", "accession_number"})
_DATES = ("date", "date_from", "date_to")
_WORDS = {"status": (STATE, State), "state": (STATE, State), "priority": (PRIORITY, Priority)}

SORTS = {
    "date": ("StudyDate", "StudyTime"),
    "patient_name": ("PatientName",),
    "patient_id": ("PatientID",),
    "accession": ("AccessionNumber",),
    "description": ("StudyDescription",),
}
RECEIVED = "received"

FILTERS: dict[str, Schema] = {
    **dict.fromkeys(sorted({*_PLAIN, *_DATES}), TEXT),
    **dict.fromkeys(("state", "status"), one_of(State) | {"description": "One, or several with commas"}),
    "priority": one_of(Priority) | {"description": "One, or several with commas"},
    "patient": TEXT | {"description": "An ID when it has a digit, else part of a name"},
    "date": TEXT | {"description": "2024-01-31, or a range as DICOM writes it"},
    "sort": one_of((*SORTS, RECEIVED)) | {"description": "With - in front for descending"},
}


def study_query(given: Mapping[str, str], page: Page) -> Query:
    """`BadInput` for a value that cannot be understood."""
    conditions = [found for name, value in _named(given) if (found := _condition(name, value))]
    date = BY_KEYWORD["StudyDate"]
    if test := parse_value(date, _day(given)):
        conditions.append(Condition(date, test))
    return Query(
        Level.STUDY,
        tuple(conditions),
        shapes.STUDY,
        order=_order(given.get("sort", "")),
        limit=page.limit,
        offset=page.offset,
        expected=True,
    )


def _named(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """`patient` is an ID when it has a digit, else a name."""
    known = [(name, value) for name, value in given.items() if name in _PLAIN or name in _WORDS]
    if patient := given.get("patient"):
        known.append(("patient_id" if re.search(r"\d", patient) else "patient_name", patient))
    return known


def _condition(name: str, value: str) -> Condition | None:
    if name in _WORDS:
        attribute, words = _WORDS[name]
        chosen = [word.strip().lower() for word in value.split(",") if word.strip()]
        allowed = {word.value for word in words}
        if not chosen or not set(chosen) <= allowed:
            raise BadInput(f"{name} is one of {', '.join(sorted(allowed))}")
        return Condition(attribute, OneOf(tuple(chosen)))
    keyword = _PLAIN[name]
    if name in _LISTED:
        value = value.replace(",", "\\")
    if name in ("modality", "body_part"):
        value = value.upper()
    if name in _CONTAINED and value.strip() and not re.search(r"[*?]", value):
        value = f"*{value.strip()}*"
    named = BY_KEYWORD[keyword]
    test = parse_value(named, value)
    if test and name == "body_part":
        return Condition(BODY_PART, Either(named, test))
    return Condition(named, test) if test else None


def _day(given: Mapping[str, str]) -> str:
    """A DICOM date or range of the `date` filters, whose dates may have hyphens."""
    if "date" in given:
        if "date_from" in given or "date_to" in given:
            raise BadInput("give either date, or date_from and date_to")
        return re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\1\2\3", given["date"])
    low, high = (re.sub("-", "", given.get(name, "")) for name in ("date_from", "date_to"))
    return f"{low}-{high}" if low or high else ""


def _order(sort: str) -> tuple[tuple[Attribute, bool], ...]:
    """Empty: newest first."""
    name, descending = sort.removeprefix("-"), sort.startswith("-")
    if not sort or sort == "-date":
        return ()
    if name == RECEIVED:
        return ((LAST_RECEIVED, descending),)
    if name not in SORTS:
        raise BadInput(f"sort must be one of {', '.join((*SORTS, RECEIVED))}, with - in front for descending")
    return tuple((BY_KEYWORD[keyword], descending) for keyword in SORTS[name])
