"""C-GET: selected instances are sent on the requesting association (PS3.4 §C.4.3, PS3.7 §9.1.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dimse.command import Command, CommandField
from dimse.models import MODEL_OF
from dimse.negotiation import Context
from dimse.operation import Operation, Service
from dimse.selection import read_identifier, select
from dimse.sending import Sending
from dimse.sop_classes import GET
from dimse.suboperations import located, perform, recorded
from pacs.model import StoredInstance


def service(sending: Sending) -> Service:
    return Service(CommandField.C_GET_RQ, "get", GET, lambda operation: serve(operation, sending))


def serve(operation: Operation, sending: Sending) -> None:
    model = MODEL_OF[operation.context.abstract_syntax]
    selection = select(read_identifier(operation), model, operation.options.relational)
    instances = located(operation, sending.archive, selection)
    if instances is None:
        return

    carrying = _carrying(operation.contexts)

    def send(instance: StoredInstance, data_set: bytes | None) -> Command:
        contexts = carrying.get(instance.identity.sop_class_uid, ())
        return sending.send(instance, data_set, contexts, operation.store)

    with recorded(operation, sending.archive, selection, operation.peer.title) as progress:
        perform(operation, instances, sending.ahead(instances), send, progress)


def _carrying(contexts: Sequence[Context]) -> Mapping[str, Sequence[Context]]:
    """SOP class → the contexts on which the peer is the SCP (PS3.4 §C.5.3); all, without any roles (Horos).

    Found once: clients propose more than a hundred.
    """
    carrying: dict[str, list[Context]] = {}
    for context in [context for context in contexts if context.is_scu] or contexts:
        carrying.setdefault(context.abstract_syntax, []).append(context)
    return carrying
