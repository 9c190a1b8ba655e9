"""Outgoing associations, with us as SCU (C-MOVE sub-operations, echo).

A stored object's bytes are sent as they are in the archive: read, framed, sent.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from dimse.associate import (
    MAX_CONTEXTS,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ProposedContext,
    UserInformation,
)
from dimse.command import Command, CommandField, Priority, message_ids
from dimse.connection import Connection
from dimse.ended import Aborted, AssociationEnded, ConnectionLost, Rejected, TimedOut
from dimse.message import Messages
from dimse.negotiation import Context, as_requestor
from dimse.operation import MoveOriginator, OutgoingInstance
from dimse.sop_classes import VERIFICATION
from dimse.status import SOP_CLASS_NOT_SUPPORTED
from dimse.transport import Meanwhile, connect, encrypted
from dimse.upper_layer import PeerAborted, Role, UpperLayer
from pacs.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from pacs.network import failure

_MAX_LENGTH = 1 << 14  # responses are small
RELEASE_PATIENCE = 5.0
"""Seconds that a peer gets to answer A-RELEASE-RQ. By then everything else has been answered."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Address and AE title of the peer. `timeout`: seconds to connect, and for each answer."""

    host: str
    port: int
    called: str
    calling: str
    timeout: float = 30.0
    tls: ssl.SSLContext | None = None


def proposals(wanted: Iterable[tuple[str, Sequence[str]]]) -> tuple[ProposedContext, ...]:
    """Number pairs of abstract syntax and transfer syntaxes; at most 128 (PS3.8 §9.3.2.2)."""
    contexts = [
        ProposedContext(2 * position + 1, abstract_syntax, tuple(transfer_syntaxes))
        for position, (abstract_syntax, transfer_syntaxes) in enumerate(wanted)
    ]
    if len(contexts) > MAX_CONTEXTS:
        raise ValueError("more than 128 presentation contexts")
    return tuple(contexts)


def open_association(
    destination: Destination, contexts: Sequence[ProposedContext], meanwhile: Meanwhile | None = None
) -> OutgoingAssociation:
    """Propose `contexts`. `Rejected`, or another `AssociationEnded`, when it is not established.

    `meanwhile`: called during each wait for the peer, also later, while the association is in use.
    """
    request = AssociateRequest(
        called=destination.called,
        calling=destination.calling,
        contexts=tuple(contexts),
        user=UserInformation(_MAX_LENGTH, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME),
    )
    upper_layer = UpperLayer(Role.REQUESTOR, _MAX_LENGTH)
    sock = _connect(destination, meanwhile)
    connection = Connection(sock, upper_layer, destination.timeout, meanwhile=meanwhile)
    try:
        connection.request(request)
        accept = _answer(connection, destination.timeout)
    except BaseException:
        connection.abort()
        connection.close()
        raise
    return OutgoingAssociation(connection, as_requestor(contexts, accept), accept, destination.timeout)


def _connect(destination: Destination, meanwhile: Meanwhile | None) -> socket.socket:
    host, timeout = destination.host, destination.timeout
    try:
        sock = connect(host, destination.port, timeout, meanwhile)
        return sock if destination.tls is None else encrypted(sock, destination.tls, timeout, meanwhile, host)
    except TimeoutError as late:
        raise TimedOut("connecting") from late
    except OSError as error:
        raise ConnectionLost(failure(error)) from error
    except UnicodeError as error:
        raise ConnectionLost("the host's name is not valid") from error


def _answer(connection: Connection, timeout: float) -> AssociateAccept:
    try:
        answer = connection.next_event(timeout)
    except TimedOut as late:
        raise TimedOut("no answer in time") from late
    if isinstance(answer, AssociateReject):
        raise Rejected(answer)
    if not isinstance(answer, AssociateAccept):
        raise Aborted("it aborted" if isinstance(answer, PeerAborted) else "it does not answer in DICOM")
    return answer


class OutgoingAssociation:
    """An accepted association; leaving its context releases it, or aborts it on an exception.

    `contexts`: those that the peer accepted.
    """

    def __init__(
        self, connection: Connection, contexts: tuple[Context, ...], accept: AssociateAccept, timeout: float
    ) -> None:
        self.contexts = contexts
        self._connection = connection
        self._timeout = timeout
        self._messages = Messages(connection, accept.user.max_length, timeout)
        self._numbers = message_ids()

    @property
    def is_over(self) -> bool:
        return self._connection.is_over

    def contexts_for(self, sop_class_uid: str) -> tuple[Context, ...]:
        return tuple(context for context in self.contexts if context.abstract_syntax == sop_class_uid)

    def echo(self) -> int:
        """The status; `SOP_CLASS_NOT_SUPPORTED` when Verification was not accepted."""
        for context in self.contexts_for(VERIFICATION):
            return self._ask(context, CommandField.C_ECHO_RQ, AffectedSOPClassUID=VERIFICATION).status
        return SOP_CLASS_NOT_SUPPORTED

    def store(
        self, context: Context, instance: OutgoingInstance, originator: MoveOriginator | None = None
    ) -> Command:
        """The peer's response, with its `status`. `AssociationEnded` when the association is over."""
        elements: dict[str, object] = {
            "Priority": Priority.MEDIUM,
            "AffectedSOPClassUID": instance.sop_class_uid,
            "AffectedSOPInstanceUID": instance.sop_instance_uid,
        }
        if originator is not None:
            elements["MoveOriginatorApplicationEntityTitle"] = originator.ae_title
            elements["MoveOriginatorMessageID"] = originator.message_id
        return self._ask(context, CommandField.C_STORE_RQ, instance.chunks, **elements)

    def _ask(
        self,
        context: Context,
        field: CommandField,
        data_set: Iterable[bytes | memoryview] | None = None,
        **elements: object,
    ) -> Command:
        number = next(self._numbers)
        request = Command(CommandField=field, MessageID=number, **elements)
        self._messages.send(context.id, request, data_set)
        message = self._messages.receive(self._timeout)
        response = message.command
        if not response.is_response or response.responds_to != number:
            raise self._messages.violated("not the response to our request")
        self._messages.discard(message)
        return response

    def release(self) -> None:
        """Release in order; does nothing when the association is over already."""
        with contextlib.suppress(AssociationEnded):
            self._connection.release(min(self._timeout, RELEASE_PATIENCE))
        self.abort()

    def abort(self) -> None:
        self._connection.abort()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.release()
        else:
            self.abort()
