"""Instances on their way to one destination, over associations of our own (PS3.4 §C.4.2).

Each SOP class is proposed in every transfer syntax that its instances are stored in, one context each so
that the acceptor cannot choose among them, and in the uncompressed ones that all can be converted to.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Self

from dimse.associate import MAX_CONTEXTS
from dimse.client import Destination, OutgoingAssociation, open_association, proposals
from dimse.command import Command
from dimse.ended import AssociationEnded, TimedOut
from dimse.negotiation import Context
from dimse.operation import MoveOriginator, Operation, OutgoingInstance
from dimse.sending import Sending
from dimse.status import PENDING, PROCESSING_FAILURE
from dimse.suboperations import DestinationLost, Progress
from dimse.transport import MEANWHILE_EVERY
from pacs.dicom.encoding import UNCOMPRESSED
from pacs.dicom.transfer_syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from pacs.errors import PacsError
from pacs.model import StoredInstance

FALLBACKS = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
"""Every peer accepts the latter (PS3.5 §10.1)."""
PATIENCE = 3
"""Instances in a row, each with two associations, that are lost before the destination is given up."""
TELL_EVERY = 5.0
"""Seconds between pending responses while one instance is being sent: some peers wait only ten."""

Proposal = tuple[str, tuple[str, ...]]
"""Abstract syntax and transfer syntaxes of one presentation context."""


def batches(
    instances: Iterable[StoredInstance], decodable: Collection[str]
) -> list[dict[str, list[Proposal]]]:
    """SOP class → contexts to propose, for each association needed, with 128 contexts at most."""
    stored: dict[str, dict[str, None]] = {}
    for instance in instances:
        stored.setdefault(instance.identity.sop_class_uid, {})[instance.transfer_syntax] = None
    found: list[dict[str, list[Proposal]]] = [{}]
    room = MAX_CONTEXTS
    for sop_class, syntaxes in stored.items():
        contexts: list[Proposal] = [(sop_class, (syntax,)) for syntax in syntaxes]
        others = tuple(syntax for syntax in FALLBACKS if syntax not in syntaxes)
        if others and any(syntax in UNCOMPRESSED or syntax in decodable for syntax in syntaxes):
            contexts.append((sop_class, others))
        contexts = contexts[:MAX_CONTEXTS]
        if len(contexts) > room:
            found.append({})
            room = MAX_CONTEXTS
        found[-1][sop_class] = contexts
        room -= len(contexts)
    return found


class _NobodyAsks(Exception):
    """The association of the C-MOVE has ended; the cause says how."""


class Delivery:
    """Associations to one destination, one at a time, opened when needed and again when dropped."""

    def __init__(
        self,
        destination: Destination,
        sending: Sending,
        plan: Sequence[Mapping[str, Sequence[Proposal]]],
        operation: Operation,
        progress: Progress,
    ) -> None:
        self._destination = destination
        self._sending = sending
        self._plan = plan
        self._operation = operation
        self._progress = progress
        self._originator = MoveOriginator(operation.peer.title, operation.request.message_id)
        self._batch_of = {sop_class: number for number, batch in enumerate(plan) for sop_class in batch}
        self._association: OutgoingAssociation | None = None
        self._batch = -1
        self._lost = 0
        self._under_way = False
        self._tell_at = 0.0

    def ordered(self, instances: Sequence[StoredInstance]) -> list[StoredInstance]:
        """Grouped by association."""
        return sorted(instances, key=lambda instance: self._batch_of[instance.identity.sop_class_uid])

    def send(self, instance: StoredInstance, data_set: bytes | None) -> Command:
        self._under_way, self._tell_at = True, time.monotonic() + TELL_EVERY
        try:
            response = self._send(instance, data_set)
        except _NobodyAsks as gone:
            raise gone.__cause__ or gone from None
        except PacsError:
            self._under_way = False
            raise
        self._under_way = False
        return response

    def _send(self, instance: StoredInstance, data_set: bytes | None) -> Command:
        """An instance that loses two associations is given up; the next one gets a new association."""
        for is_last in (False, True):
            association = self._association_for(instance.identity.sop_class_uid)
            try:
                response = self._store(association, instance, data_set)
            except TimedOut as late:
                self._abort()
                raise DestinationLost("the destination does not answer") from late
            except AssociationEnded as ended:
                self._abort()
                self._lost += is_last
                if self._lost == PATIENCE:
                    raise DestinationLost("the destination keeps ending the association") from ended
            except PacsError:
                if association.is_over:  # aborted by us, as half of the instance had been sent
                    self._abort()
                raise
            else:
                self._lost = 0
                return response
        return Command(Status=PROCESSING_FAILURE, ErrorComment="the destination ended the association")

    def _store(
        self, association: OutgoingAssociation, instance: StoredInstance, data_set: bytes | None
    ) -> Command:
        def store(context: Context, outgoing: OutgoingInstance) -> Command:
            attended = replace(outgoing, chunks=self._attended(outgoing.chunks))
            return association.store(context, attended, self._originator)

        contexts = association.contexts_for(instance.identity.sop_class_uid)
        return self._sending.send(instance, data_set, contexts, store)

    def _attended(self, chunks: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
        """`chunks`, with the requester attended to in between, as during a wait."""
        due = time.monotonic() + MEANWHILE_EVERY
        for chunk in chunks:
            yield chunk
            if time.monotonic() >= due:
                self._attend()
                due = time.monotonic() + MEANWHILE_EVERY

    def _attend(self) -> None:
        """Listen to the requester and send it pending responses, until it has the final response."""
        if self._operation.stop.late.is_set:
            raise TimedOut
        if not self._under_way:
            return
        try:
            self._operation.listen()
            if time.monotonic() >= self._tell_at:
                self._operation.respond(PENDING, **self._progress.elements(with_remaining=True))
                self._tell_at = time.monotonic() + TELL_EVERY
        except AssociationEnded as ended:
            raise _NobodyAsks from ended

    def _association_for(self, sop_class: str) -> OutgoingAssociation:
        batch = self._batch_of[sop_class]
        if self._association is not None and self._batch != batch:
            self._association.release()
            self._association = None
        if self._association is None:
            wanted = [proposal for proposed in self._plan[batch].values() for proposal in proposed]
            try:
                self._association = open_association(self._destination, proposals(wanted), self._attend)
            except AssociationEnded as ended:
                raise DestinationLost(f"no association: {ended}") from ended
            self._batch = batch
        return self._association

    def _abort(self) -> None:
        if self._association is not None:
            self._association.abort()
            self._association = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        unfinished, self._under_way = self._under_way, False  # the requester has the final response
        if self._association is not None and kind is None and not unfinished:
            self._association.release()
        else:
            self._abort()
