"""The selection of a C-MOVE or C-GET identifier, by unique keys (PS3.4 §C.4.2.2.1, §C.4.3.2.1)."""

from __future__ import annotations

from dataclasses import dataclass

from dimse.models import InformationModel
from dimse.operation import MAX_IDENTIFIER, Operation
from pacs.attributes import BY_KEYWORD, LEVELS, UNIQUE_KEY, Level
from pacs.dicom.limits import Limits
from pacs.dicom.reader import Header, read_header
from pacs.dicom.source import BytesSource
from pacs.errors import InvalidQuery
from pacs.search.query import Condition, OneOf, Query

QUERY_RETRIEVE_LEVEL = 0x00080052

_INFLATED = 16 * MAX_IDENTIFIER
_LIMITS = Limits(
    elements=100_000, header_bytes=_INFLATED, inflated_bytes=_INFLATED, inflate_free_bytes=_INFLATED
)
"""Those of an object would let a query of some kilobytes take seconds."""


@dataclass(frozen=True, slots=True)
class Selection:
    """`uids`: values of the level's unique key. `query` selects the instances."""

    level: Level
    uids: tuple[str, ...]
    query: Query


def read_identifier(operation: Operation) -> Header:
    return read_header(BytesSource(operation.identifier()), operation.context.transfer_syntax, limits=_LIMITS)


def key_text(header: Header, tag: int | str) -> str:
    """A key's text without NUL, which the index does not keep and PostgreSQL does not take."""
    return (header.text(tag) or "").replace("\x00", "")


def level_of(identifier: Header, model: InformationModel) -> Level:
    """`InvalidQuery` when it is missing or not a level of the model."""
    said = (identifier.text(QUERY_RETRIEVE_LEVEL) or "").strip()
    for level in model.levels:
        if level == said:
            return level
    what = f"is not one of {model.name}" if said else "is missing"
    raise InvalidQuery(f"Query/Retrieve Level {what}", QUERY_RETRIEVE_LEVEL)


def select(identifier: Header, model: InformationModel, relational: bool) -> Selection:
    """The unique key of the level, a list of UIDs or one Patient ID, and one value at each level above.

    Keys of the levels above are required, unless relational retrieval was agreed on. Other keys
    are not part of a retrieval and are ignored.
    """
    level = level_of(identifier, model)
    conditions: list[Condition] = []
    uids: tuple[str, ...] = ()
    for above in LEVELS[: level.depth + 1]:
        keyword = UNIQUE_KEY[above]
        uids = tuple(value for value in key_text(identifier, keyword).split("\\") if value)
        if not uids:
            if above is level or (above in model.levels and not relational):
                raise InvalidQuery(f"{keyword} is missing at level {level}", BY_KEYWORD[keyword].tag)
            continue
        if len(uids) > 1 and (above is not level or above is Level.PATIENT):
            raise InvalidQuery(f"{keyword} takes a single value at level {level}", BY_KEYWORD[keyword].tag)
        conditions.append(Condition(BY_KEYWORD[keyword], OneOf(uids)))
    return Selection(level, uids, Query(Level.IMAGE, tuple(conditions)))
