"""Outgoing associations: we ask, the peer serves (C-MOVE sub-operations, forwarding, echo)."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from dimse.associate import ProposedContext
from dimse.command import Command
from dimse.negotiation import Context
from dimse.operation import MoveOriginator, OutgoingInstance


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to connect and whom to call. `timeout` in seconds: to connect, to be answered."""

    host: str
    port: int
    called: str
    calling: str
    timeout: float = 30.0
    tls: ssl.SSLContext | None = None


class OutgoingAssociation:
    """An accepted association; leaving its context releases it, or aborts it on an exception."""

    contexts: tuple[Context, ...]

    def contexts_for(self, sop_class_uid: str) -> tuple[Context, ...]: ...

    def echo(self) -> int: ...

    def store(
        self, context: Context, instance: OutgoingInstance, originator: MoveOriginator | None = None
    ) -> Command:
        """The peer's response; its `status` says how it went. `AssociationEnded` when it is over."""

    def release(self) -> None: ...

    def abort(self) -> None: ...

    def __enter__(self) -> OutgoingAssociation: ...

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None: ...


def open_association(destination: Destination, contexts: Sequence[ProposedContext]) -> OutgoingAssociation:
    """Propose up to 128 contexts. `Rejected`, or another `AssociationEnded`, when it comes to nothing."""
