"""One incoming association, from its request to its end, on a thread of its own.

A peer that violates the protocol, stalls or disconnects ends this association and nothing else.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import structlog

from dimse.associate import (
    CALLED_NOT_RECOGNISED,
    CALLING_NOT_RECOGNISED,
    LOCAL_LIMIT_EXCEEDED,
    TEMPORARY_CONGESTION,
    AssociateReject,
    AssociateRequest,
)
from dimse.background import Background
from dimse.command import CommandField
from dimse.connection import Connection
from dimse.ended import AssociationEnded, Draining, Rejected, Released, TimedOut, Violation
from dimse.flag import Stop
from dimse.message import Message, Messages
from dimse.negotiation import Capabilities, Negotiated, QueryOptions, negotiate
from dimse.operation import Service
from dimse.serving import Observer, ServedOperation, Session
from dimse.settings import DimseSettings
from dimse.status import SOP_CLASS_NOT_SUPPORTED, UNRECOGNIZED_OPERATION
from pacs.access import Admission, Peer
from pacs.actor import Actor, correlation_id
from pacs.errors import Forbidden, Unavailable

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Edge:
    """What all associations of one installation share."""

    services: tuple[Service, ...]
    admission: Admission
    observer: Observer
    settings: DimseSettings
    options: dict[str, QueryOptions]
    """SOP class → options that extended negotiation may accept."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            sop_classes=frozenset().union(*(service.sop_classes for service in self.services)),
            unknown_storage_classes=self.settings.unknown_storage_classes,
            window=self.settings.window,
            max_length=self.settings.max_length,
            options=self.options,
        )


class Association:
    """`full`: the server has no place for it, so it is rejected in order."""

    def __init__(
        self,
        connection: Connection,
        edge: Edge,
        address: str,
        stop: Stop,
        full: bool = False,
    ) -> None:
        self._connection = connection
        self._edge = edge
        self._address = address
        self._stop = stop
        self._full = full
        self._capabilities = edge.capabilities
        self._background: Background | None = None

    def run(self) -> None:
        correlation = correlation_id()
        structlog.contextvars.bind_contextvars(correlation_id=correlation)
        try:
            self._serve(self._establish(correlation))
        except Released:
            self._settle()
            self._release()
        except Rejected:
            pass
        except Draining:
            self._settle()
            self._connection.abort()
        except AssociationEnded as ended:
            self._connection.abort()
            log.info("association ended", reason=type(ended).__name__, detail=str(ended))
        except Exception:
            log.exception("association failed")
            self._connection.abort()
        finally:
            self._settle()
            self._connection.close()
            structlog.contextvars.clear_contextvars()

    def _settle(self) -> None:
        """Commit what has been received completely and answer it if the peer is still connected."""
        if self._background is not None:
            self._background.settle()

    def _release(self) -> None:
        with suppress(AssociationEnded):
            self._connection.confirm_release()
        log.info("association released")

    # --- Establishing -------------------------------------------------------------------------

    def _establish(self, correlation: str) -> _Established:
        request = self._connection.next_event(self._edge.settings.request_timeout, idle=True)
        if not isinstance(request, AssociateRequest):
            raise Violation(f"{type(request).__name__} before an association")
        answer = self._decide(request)
        if isinstance(answer, AssociateReject):
            self._connection.reject(answer)
            self._edge.observer.refused(request.calling, request.called, self._address, answer.cause)
            log.warning(
                "association rejected",
                calling=request.calling,
                called=request.called,
                address=self._address,
                reason=answer.cause,
            )
            raise Rejected(answer)
        peer, negotiated = answer
        self._connection.accept(negotiated.accept)
        structlog.contextvars.bind_contextvars(tenant=peer.organization)
        identity = request.user.identity
        log.info(
            "association accepted",
            calling=peer.title,
            user=identity.name if identity else None,
            address=self._address,
            contexts=len(negotiated.contexts),
            window=negotiated.window,
        )
        actor = Actor(peer.organization, "ae", peer.title, self._address, correlation)
        return _Established(request, peer, actor, negotiated)

    def _decide(self, request: AssociateRequest) -> tuple[Peer, Negotiated] | AssociateReject:
        if self._full:
            return LOCAL_LIMIT_EXCEEDED
        admission = self._edge.admission
        if not admission.recognises_called(request.called):
            return CALLED_NOT_RECOGNISED
        negotiated = negotiate(request, self._capabilities)
        if isinstance(negotiated, AssociateReject):
            return negotiated
        try:
            peer = admission.admit(request.calling, self._address)
        except Unavailable:
            return TEMPORARY_CONGESTION
        if peer is None:
            return CALLING_NOT_RECOGNISED
        return peer, negotiated

    # --- Serving ------------------------------------------------------------------------------

    def _serve(self, established: _Established) -> None:
        settings, negotiated = self._edge.settings, established.negotiated
        messages = Messages(self._connection, established.request.user.max_length, settings.stall_timeout)
        if negotiated.window > 1:
            self._background = Background(negotiated.window)
        session = Session(
            messages=messages,
            actor=established.actor,
            peer=established.peer,
            contexts=negotiated.contexts,
            options=dict(negotiated.options),
            observer=self._edge.observer,
            stall_timeout=settings.stall_timeout,
            serve=self._dispatch,
            stop=self._stop,
            window=negotiated.window,
            background=self._background,
        )
        self._edge.observer.association(+1)
        try:
            while True:
                message = session.pending or self._next(messages)
                session.pending = None
                session.take(message)
        finally:
            self._edge.observer.association(-1)

    def _next(self, messages: Messages) -> Message:
        try:
            return messages.receive(self._edge.settings.idle_timeout, idle=True)
        except TimedOut as late:
            raise TimedOut("idle") from late

    def _dispatch(self, operation: ServedOperation) -> None:
        service = self._service(operation)
        if isinstance(service, int):
            operation.discard()
            operation.respond(service)
        elif not operation.peer.may(service.right):
            raise Forbidden
        else:
            service.serve(operation)

    def _service(self, operation: ServedOperation) -> Service | int:
        """The service for this request, or the status of its refusal."""
        field, sop_class = operation.request.field, operation.context.abstract_syntax
        rows = [service for service in self._edge.services if service.command == field]
        if not rows:
            return UNRECOGNIZED_OPERATION
        for service in rows:
            if operation.context.is_scp and (
                sop_class in service.sop_classes
                or (field == CommandField.C_STORE_RQ and self._capabilities.is_storage(sop_class))
            ):
                return service
        return SOP_CLASS_NOT_SUPPORTED


@dataclass(frozen=True, slots=True)
class _Established:
    request: AssociateRequest
    peer: Peer
    actor: Actor
    negotiated: Negotiated
