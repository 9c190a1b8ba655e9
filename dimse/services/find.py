"""C-FIND: the matches of a query (PS3.4 §C.4.1, PS3.7 §9.1.2).

Answers are sent one by one as the index yields them; a match is never held back for the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from dimse.command import CommandField
from dimse.identifier import (
    INSTANCE_AVAILABILITY,
    QUERY_RETRIEVE_LEVEL,
    RETRIEVE_AE_TITLE,
    AnswerEncoder,
    asked_charsets,
)
from dimse.models import MODEL_OF
from dimse.operation import Operation, Service
from dimse.selection import key_text, level_of, read_identifier
from dimse.sop_classes import FIND
from dimse.status import OUT_OF_RESOURCES, PENDING, PENDING_UNSUPPORTED_KEYS, SUCCESS
from pacs.actor import Actor
from pacs.dicom.dictionary import SPECIFIC_CHARACTER_SET
from pacs.dicom.reader import Header
from pacs.model import Values
from pacs.search.parser import DATE_TIME, FUZZY, RELATIONAL, TIME_ZONE, RawKey, Scope, parse_query
from pacs.search.query import Query


class FindArchive(Protocol):
    """The part of `pacs.archive.Archive` that C-FIND needs."""

    def find(self, actor: Actor, query: Query) -> Iterator[Values]: ...


@dataclass(frozen=True, slots=True)
class FindSettings:
    """`ae_title`: the Retrieve AE Title. `max_answers`: to one request."""

    ae_title: str
    max_answers: int = 10_000


def service(archive: FindArchive, settings: FindSettings) -> Service:
    return Service(
        CommandField.C_FIND_RQ, "find", FIND, lambda operation: serve(operation, archive, settings)
    )


def serve(operation: Operation, archive: FindArchive, settings: FindSettings) -> None:
    identifier = read_identifier(operation)
    query = _query(operation, identifier)
    encoder = _encoder(operation, identifier, query, settings)
    pending = PENDING_UNSUPPORTED_KEYS if query.unsupported else PENDING
    matches = archive.find(operation.actor, replace(query, limit=settings.max_answers + 1))
    for answered, values in enumerate(operation.apart(matches)):
        operation.go_on()
        if answered == settings.max_answers:
            operation.respond(
                OUT_OF_RESOURCES, ErrorComment=f"more than {answered} matches: narrow the query"
            )
            return
        operation.respond(pending, encoder.encode(values))
    operation.respond(SUCCESS)


def _query(operation: Operation, identifier: Header) -> Query:
    model = MODEL_OF[operation.context.abstract_syntax]
    agreed = operation.options
    options = {
        RELATIONAL: agreed.relational,
        DATE_TIME: agreed.date_time,
        FUZZY: agreed.fuzzy,
        TIME_ZONE: agreed.timezone,
    }
    chosen = frozenset(name for name, is_agreed in options.items() if is_agreed)
    return parse_query(Scope(level_of(identifier, model), model.levels, chosen), _keys(identifier))


def _keys(identifier: Header) -> Iterator[RawKey]:
    for element in identifier:
        if element.vr == "SQ":
            items = identifier.items(element.tag)
            yield element.tag, [{key.tag: key_text(item, key.tag) for key in item} for item in items]
        else:
            yield element.tag, key_text(identifier, element.tag)


def _encoder(operation: Operation, identifier: Header, query: Query, settings: FindSettings) -> AnswerEncoder:
    fixed = {
        QUERY_RETRIEVE_LEVEL: ("CS", str(query.level)),
        RETRIEVE_AE_TITLE: ("AE", settings.ae_title),
    }
    if INSTANCE_AVAILABILITY in identifier:
        fixed[INSTANCE_AVAILABILITY] = ("CS", "ONLINE")
    charsets = asked_charsets(identifier) if SPECIFIC_CHARACTER_SET in identifier else None
    return AnswerEncoder(operation.context.transfer_syntax, query.include, fixed, charsets)
