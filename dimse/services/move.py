"""C-MOVE: selected instances are sent to a registered AE (PS3.4 §C.4.2, PS3.7 §9.1.4)."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from dimse.client import Destination
from dimse.command import CommandField
from dimse.delivery import Delivery, batches
from dimse.models import MODEL_OF
from dimse.operation import Operation, Service
from dimse.selection import read_identifier, select
from dimse.sending import Sending
from dimse.sop_classes import MOVE
from dimse.suboperations import located, perform, recorded
from pacs.errors import UnknownDestination
from pacs.model import ApplicationEntity
from pacs.ports import ApplicationEntities

MAX_TITLE = 16  # AE, PS3.5 §6.2; a longer one is not looked up


@dataclass(frozen=True, slots=True)
class Outbound:
    """How outgoing associations are made. `timeout`: seconds to connect, and for each answer."""

    entities: ApplicationEntities
    calling: str
    timeout: float = 30.0
    tls: ssl.SSLContext | None = None


def service(sending: Sending, outbound: Outbound) -> Service:
    return Service(
        CommandField.C_MOVE_RQ, "move", MOVE, lambda operation: serve(operation, sending, outbound)
    )


def serve(operation: Operation, sending: Sending, outbound: Outbound) -> None:
    destination = _destination(operation, outbound)
    model = MODEL_OF[operation.context.abstract_syntax]
    selection = select(read_identifier(operation), model, operation.options.relational)
    instances = located(operation, sending.archive, selection)
    if instances is None:
        return
    plan = batches(instances, sending.transcoder.codecs.decodable)
    with (
        recorded(operation, sending.archive, selection, destination.called) as progress,
        Delivery(destination, sending, plan, operation, progress) as delivery,
    ):
        ordered = delivery.ordered(instances)
        perform(operation, ordered, sending.ahead(ordered), delivery.send, progress)


def _destination(operation: Operation, outbound: Outbound) -> Destination:
    """`UnknownDestination`, without distinction also for AEs of other organisations."""
    title = str(operation.request.get("MoveDestination", "")).strip()
    is_title = 0 < len(title) <= MAX_TITLE and title.isprintable()
    entity: ApplicationEntity | None = outbound.entities.find(title) if is_title else None
    if entity is None or entity.organization != operation.actor.organization:
        raise UnknownDestination
    if not entity.host or not entity.port:
        raise UnknownDestination("the move destination is registered without host and port")
    tls = (outbound.tls or ssl.create_default_context()) if entity.tls else None
    return Destination(entity.host, entity.port, entity.title, outbound.calling, outbound.timeout, tls)
