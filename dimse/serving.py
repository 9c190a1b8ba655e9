"""Serving requests on one association: implements `Operation`, which has at most one final response."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import structlog

from dimse.apart import Apart
from dimse.background import Background
from dimse.command import Command, CommandField, Priority, message_ids, respond_to
from dimse.ended import AssociationEnded, Violation
from dimse.flag import Stop
from dimse.message import Message, Messages
from dimse.negotiation import Context, QueryOptions
from dimse.operation import MAX_IDENTIFIER, Cancelled, OutgoingInstance, Stopping
from dimse.status import CANCEL, OUT_OF_RESOURCES, PENDING, STOPPING, elements_of
from pacs.access import Peer
from pacs.actor import Actor
from pacs.errors import InvalidDataSet, PacsError

log = structlog.get_logger(__name__)

T = TypeVar("T")

_NAMES = {field.value: field.name.removesuffix("_RQ") for field in CommandField}


class Observer(Protocol):
    """Receives counts and refusals. Called from many threads."""

    def association(self, change: int) -> None:
        """One more (+1) or one less (-1) is open."""

    def refused(self, calling: str, called: str, address: str, reason: str) -> None:
        """An association was rejected."""

    def operation(self, actor: Actor, name: str, status: int, seconds: float) -> None:
        """A final response was sent; `name` as in `CommandField` without `_RQ`, or `UNKNOWN`."""


@dataclass(slots=True)
class Session:
    """The state that the operations of an established association share.

    A request that arrives during another one is served within the call of the other, up to the window.
    Messages that the inner one does not wait for are routed to their operations here.
    """

    messages: Messages
    actor: Actor
    peer: Peer
    contexts: Mapping[int, Context]
    options: dict[str, QueryOptions]
    observer: Observer
    stall_timeout: float
    serve: Callable[[ServedOperation], None]
    stop: Stop
    window: int = 1
    """Operations that the peer may have outstanding (PS3.7 §D.3.3.3)."""
    background: Background | None = None
    """When the peer does not wait for the end of an operation (window > 1)."""
    pending: Message | None = None
    """A request that arrived while the window was full: it waits for its turn."""
    served: list[ServedOperation] = field(default_factory=list)
    """The operations that this thread serves, each within the call of the one before."""
    awaited: dict[int, Command | None] = field(default_factory=dict)
    """Our requests by Message ID, with their responses."""
    numbers: Iterator[int] = field(default_factory=message_ids)
    apart: Apart = field(default_factory=Apart)

    def take(self, message: Message) -> None:
        """Dispatch a received message."""
        command = message.command
        context = self.contexts.get(message.context_id)
        if context is None:
            raise self.messages.violated("a message on a context that was not accepted")
        if command.field == CommandField.C_CANCEL_RQ:
            self.messages.discard(message)  # a data set, if it claims to have one
            self._cancel(command.responds_to)
        elif command.is_response:
            self._answer(message)
        elif len(self.served) < self.window:
            self._serve(ServedOperation(self, message, context))
        else:
            self.pending = message

    def _serve(self, operation: ServedOperation) -> None:
        self.served.append(operation)
        try:
            operation.run(lambda: self.serve(operation))
            operation.discard()
        finally:
            self.served.pop()

    def _cancel(self, number: int) -> None:
        """Ignored when it has crossed with the final response (PS3.7 §9.3.2.3)."""
        for operation in self.served:
            if operation.request.message_id == number:
                operation.cancel()

    def _answer(self, message: Message) -> None:
        number = message.command.responds_to
        if self.awaited.get(number, message.command) is not None:
            raise self.messages.violated("a response to no request")
        self.messages.discard(message)
        self.awaited[number] = message.command


class ServedOperation:
    def __init__(self, session: Session, message: Message, context: Context) -> None:
        self._session = session
        self._fragments = session.messages.data_set(message)
        self._began = time.monotonic()
        self._cancelled = False
        self._answered = False
        self.request = message.command
        self.context = context
        self.actor = session.actor
        self.peer = session.peer
        self.contexts = tuple(session.contexts.values())
        self.stop = session.stop
        self.options = session.options.get(context.abstract_syntax, QueryOptions())

    # --- The request's data set ---------------------------------------------------------------

    def fragments(self) -> Iterator[memoryview]:
        if not self.request.has_data_set:
            raise InvalidDataSet("the request has no data set")
        return self._fragments

    def identifier(self) -> bytes:
        gathered = bytearray()
        for fragment in self.fragments():
            gathered += fragment
            if len(gathered) > MAX_IDENTIFIER:
                raise InvalidDataSet("the identifier is too long")
        return bytes(gathered)

    def discard(self) -> None:
        """Read the rest of the data set, so that the next message can be received."""
        for _ in self._fragments:
            pass

    # --- Answers ------------------------------------------------------------------------------

    def respond(self, status: int, identifier: bytes | None = None, **elements: Any) -> None:
        response = respond_to(self.request, status)
        response.update(elements)
        final = status & 0xFF00 != PENDING
        self._answered = self._answered or final
        chunks = None if identifier is None else (identifier,)
        self._session.messages.send(self.context.id, response, chunks)
        if final:
            self._observe(status)

    def _observe(self, status: int) -> None:
        name = _NAMES.get(self.request.field, "UNKNOWN")
        self._session.observer.operation(self.actor, name, status, time.monotonic() - self._began)

    def run(self, work: Callable[[], None]) -> None:
        """Do `work`; an exception becomes the final response, unless the association is over."""
        try:
            work()
        except AssociationEnded:
            raise
        except Cancelled:
            self.respond(CANCEL)
        except Stopping:
            self.respond(OUT_OF_RESOURCES, ErrorComment=STOPPING)
        except Exception as error:
            self._fail(error)

    def finish(self, work: Callable[[], None]) -> None:
        """Do the rest of this operation, which needs nothing more from the peer: at once, or, when
        the peer does not wait, beside its next requests."""
        if self._session.background is None:
            work()
        else:
            self._session.background.do(lambda: self._finish_later(work))

    def _finish_later(self, work: Callable[[], None]) -> None:
        try:
            self.run(work)
        except AssociationEnded as ended:
            log.info("operation not answered", reason=type(ended).__name__)

    def _fail(self, error: Exception) -> None:
        if isinstance(error, PacsError):
            log.warning("operation refused", error=type(error).__name__, detail=str(error), **self._named())
        else:
            log.exception("operation failed", **self._named())
        self.discard()
        if self._answered:
            return
        elements = elements_of(error)
        self.respond(elements.pop("Status"), **elements)

    def _named(self) -> dict[str, str]:
        """UIDs for the log, which contain no patient data."""
        uid = str(self.request.get("AffectedSOPInstanceUID", ""))
        return {"operation": f"{self.request.field:04x}", "sop_instance_uid": uid[:64]}

    # --- Asking back --------------------------------------------------------------------------

    def cancel(self) -> None:
        self._cancelled = True

    def listen(self) -> None:
        session = self._session
        while not self._cancelled and session.pending is None:
            message = session.messages.poll()
            if message is None:
                break
            session.take(message)
        if self._cancelled:
            raise Cancelled

    def go_on(self) -> None:
        self.listen()
        if self.stop.ending.is_set:
            raise Stopping

    def apart(self, items: Iterable[T]) -> Iterator[T]:
        return self._session.apart.each(items, self.go_on)

    def store(self, context: Context, instance: OutgoingInstance) -> Command:
        session = self._session
        number = next(session.numbers)
        request = Command(
            CommandField=CommandField.C_STORE_RQ,
            MessageID=number,
            Priority=Priority.MEDIUM,
            AffectedSOPClassUID=instance.sop_class_uid,
            AffectedSOPInstanceUID=instance.sop_instance_uid,
        )
        session.awaited[number] = None
        try:
            session.messages.send(context.id, request, instance.chunks)
            while (response := session.awaited[number]) is None:
                if session.pending is not None:
                    raise Violation("a request beyond the window, before the response to a sub-operation")
                session.take(session.messages.receive(session.stall_timeout))
            return response
        finally:
            del session.awaited[number]
