"""One request: all that a service class sees of the network.

A service answers by `respond`, sends sub-operations by `store` and asks at times whether to `go_on`; it never
sees PDUs.
Errors of `pacs.errors` that it raises become the final response (`dimse.status`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from dimse.command import Command, CommandField
from dimse.flag import Stop
from dimse.negotiation import Context, QueryOptions
from pacs.access import Peer
from pacs.actor import Actor

MAX_IDENTIFIER = 1 << 20
"""Bytes of a C-FIND, C-MOVE or C-GET identifier; a list of 10,000 UIDs takes 650 KB."""

T = TypeVar("T")


class Interrupted(Exception):
    """The operation ends now, with what is done."""


class Cancelled(Interrupted):
    """A C-CANCEL-RQ has arrived."""


class Stopping(Interrupted):
    """The server is stopping, and will soon cut off operations without an answer."""


@dataclass(frozen=True, slots=True)
class OutgoingInstance:
    """One instance for a C-STORE sub-operation. `chunks` is its data set, already encoded in the
    context's transfer syntax; it is sent as it comes, whatever the pieces' sizes. A chunk must not change
    after the next was taken: several leave in one send."""

    sop_class_uid: str
    sop_instance_uid: str
    chunks: Iterable[bytes | memoryview]


@dataclass(frozen=True, slots=True)
class MoveOriginator:
    """The C-MOVE that a C-STORE belongs to (PS3.7 §9.3.1.1)."""

    ae_title: str
    message_id: int


class Operation(Protocol):
    """What a service is called with."""

    request: Command
    context: Context
    actor: Actor
    peer: Peer
    options: QueryOptions
    """The options that were negotiated for this SOP class."""
    contexts: tuple[Context, ...]
    """All of the association: for C-GET those with `is_scu` carry its sub-operations."""
    stop: Stop
    """The server's stop, which cuts off what does not answer in time."""

    def identifier(self) -> bytes:
        """The request's data set as sent, at most `MAX_IDENTIFIER` bytes. `InvalidDataSet` when it is longer
        or absent."""

    def fragments(self) -> Iterable[memoryview]:
        """The request's data set piece by piece; each piece is valid until the next is taken."""

    def respond(self, status: int, identifier: bytes | None = None, **elements: Any) -> None:
        """Send one response. `elements` are further ones of the command set, by keyword, for example
        `NumberOfRemainingSuboperations=3, ErrorComment="…"`."""

    def finish(self, work: Callable[[], None]) -> None:
        """Do the rest of this operation, which needs nothing more from the peer. This happens at once or, if
        the peer does not wait (asynchronous window), while its next requests are served."""

    def listen(self) -> None:
        """`Cancelled`, or `AssociationEnded` when the peer has disconnected; never blocks."""

    def go_on(self) -> None:
        """`listen`, and `Stopping`. Both become the final response of a service that does not answer them."""

    def apart(self, items: Iterable[T]) -> Iterator[T]:
        """`items`, which may take long to come, read on another thread; calls `go_on` in the meantime."""

    def store(self, context: Context, instance: OutgoingInstance) -> Command:
        """A C-STORE sub-operation on this association (C-GET); returns the peer's response."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the archive: requests of `command` for any of `sop_classes`."""

    command: CommandField
    right: str
    """The right that the peer needs (`pacs.access.RIGHTS`), else 0x0124."""
    sop_classes: frozenset[str]
    serve: Callable[[Operation], None]
    """Sends every response itself, the final one included, or raises."""
