"""C-STORE: receiving and storing an object (PS3.4 Annex B, PS3.7 §9.1.1).

Law 1: success is answered only after the archive's commit has returned. The data set goes from the receive
buffer to the spool, fragment by fragment.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from typing import Protocol

from dimse.command import CommandField
from dimse.operation import Operation, Service
from dimse.sop_classes import STORAGE
from dimse.status import SUCCESS
from pacs.actor import Actor
from pacs.errors import InvalidDataSet


class Receiving(Protocol):
    def write(self, data: bytes | memoryview) -> None: ...

    def commit(self) -> object: ...


class Receiver(Protocol):
    """The part of `pacs.archive.Archive` that C-STORE needs."""

    def receive(
        self, actor: Actor, transfer_syntax: str, sop_class_uid: str, sop_instance_uid: str
    ) -> AbstractContextManager[Receiving]: ...


def service(archive: Receiver) -> Service:
    return Service(CommandField.C_STORE_RQ, "store", STORAGE, lambda operation: serve(operation, archive))


def serve(operation: Operation, archive: Receiver) -> None:
    with ExitStack() as undo:
        receiving = undo.enter_context(_receive(operation, archive))
        for fragment in operation.fragments():
            receiving.write(fragment)
        kept = undo.pop_all()
    operation.finish(lambda: _commit(operation, receiving, kept))


def _receive(operation: Operation, archive: Receiver) -> AbstractContextManager[Receiving]:
    request = operation.request
    sop_class_uid = request.get("AffectedSOPClassUID")
    sop_instance_uid = request.get("AffectedSOPInstanceUID")
    if not sop_class_uid or not sop_instance_uid:
        raise InvalidDataSet("the command lacks the SOP Class or SOP Instance UID")
    return archive.receive(
        operation.actor, operation.context.transfer_syntax, sop_class_uid, sop_instance_uid
    )


def _commit(operation: Operation, receiving: Receiving, kept: ExitStack) -> None:
    with kept:  # answered before the spool is tidied
        receiving.commit()
        operation.respond(SUCCESS)
