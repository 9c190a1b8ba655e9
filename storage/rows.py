"""From the values of a data set to rows: each attribute as sent, and its match key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
from blake3 import blake3
from pydicom.datadict import tag_for_keyword

from pacs.attributes import KEYED, LEVELS, SAID_BY_STUDY, Attribute, Level, Matching, kept_at
from pacs.model import Values
from pacs.search.matching import normalize

Row = dict[str, Any]

_BIGGEST = (1 << 63) - 1
"""A number outside of the database's integer range gets no key; its text is stored."""
_ITEM_TEXT = 256  # characters of a sequence item's value; a code's are at most 64 (PS3.5 §6.2)


@dataclass(frozen=True, slots=True)
class _Level:
    """The attributes of one level that come from data sets, and a row in which all are blank."""

    plain: tuple[Attribute, ...]
    keyed: tuple[Attribute, ...]
    sequences: tuple[Attribute, ...]
    blank: Row


def _level(level: Level) -> _Level:
    sent = [a for a in kept_at(level) if not a.computed]
    sequences = tuple(a for a in sent if a.matching is Matching.SEQUENCE)
    keyed = tuple(a for a in sent if a.matching in KEYED)
    plain = tuple(a for a in sent if a not in sequences and a not in keyed)
    names = [*(a.column for a in sent), *(a.key_column for a in keyed)]
    return _Level(plain, keyed, sequences, dict.fromkeys(names))


_LEVELS = {level: _level(level) for level in LEVELS}


def attribute_row(level: Level, values: Values) -> Row:
    """Every column of this level that a data set fills; None where it does not."""
    known = _LEVELS[level]
    row = dict(known.blank)
    for attribute in known.plain:
        row[attribute.column] = values.get(attribute.keyword)
    for attribute in known.keyed:
        if text := values.get(attribute.keyword):
            row[attribute.column] = text
            row[attribute.key_column] = matching_key(attribute, text)
    for attribute in known.sequences:
        if items := values.get(attribute.keyword):
            row[attribute.column] = orjson.dumps(items).decode()
    return row


def said_of_patient(values: Values) -> Row:
    """The columns in which a study says whose it is."""
    row = attribute_row(Level.STUDY, values)
    return {column: row[column] for a in SAID_BY_STUDY for column in {a.column, a.key_column}}


def matching_key(attribute: Attribute, text: str) -> str | int | None:
    """What goes into the attribute's key column."""
    key = normalize(attribute, text)
    return None if isinstance(key, int) and abs(key) > _BIGGEST else key


def unpadded(text: str) -> str:
    """As the header reader gives values of LO and SH."""
    return "\\".join(value.strip(" ") for value in text.split("\\"))


def unknown(level: Level, row: Mapping[str, Any], values: Values) -> Values:
    """The attributes of this level that are in `values` but not in `row`."""
    known = _LEVELS[level]
    return {
        attribute.keyword: values[attribute.keyword]
        for attributes in (known.plain, known.keyed, known.sequences)
        for attribute in attributes
        if row[attribute.column] is None and attribute.keyword in values
    }


def item_rows(organization: int, level: Level, owner: int, values: Values) -> Iterator[Row]:
    """The values inside sequences that can be matched, one row each."""
    for attribute in _LEVELS[level].sequences:
        for position, item in enumerate(values.get(attribute.keyword, ())):
            for keyword in attribute.items:
                if text := _item_text(item, keyword):
                    yield {
                        "org_id": organization,
                        "level": level.value,
                        "owner": owner,
                        "sequence": attribute.keyword,
                        "item": position,
                        "keyword": keyword,
                        "value": text,
                    }


@cache
def _json_tag(keyword: str) -> str:
    return f"{tag_for_keyword(keyword):08X}"


def _item_text(item: Mapping[str, Any], keyword: str) -> str:
    found = item.get(_json_tag(keyword), {}).get("Value", ())
    return "\\".join(str(value) for value in found if value is not None)[:_ITEM_TEXT]


def patient_identity(values: Values, study_instance_uid: str) -> str:
    """The identity of a patient: Patient ID and its issuer, as sent except for padding.

    Without a Patient ID every study has a patient of its own, as nothing shows that two unnamed
    patients are the same. A digest, as the values may be longer than an index allows.
    """
    patient_id = values.get("PatientID", "")
    issuer = values.get("IssuerOfPatientID", "") if patient_id else ""
    known = [patient_id, issuer] if patient_id else ["", "", study_instance_uid]
    return blake3(orjson.dumps(known)).hexdigest(length=16)
