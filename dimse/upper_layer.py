"""The DICOM upper layer without a network: bytes in, events out (PS3.8 §9.2).

Everything that the peer sends and that we send passes through the table in `dimse.states`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from dimse import pdu
from dimse.associate import AssociateAccept, AssociateReject, AssociateRequest
from dimse.associate_codec import (
    BadAssociate,
    decode_accept,
    decode_reject,
    decode_request,
    encode_accept,
    encode_reject,
    encode_request,
)
from dimse.pdu import AbortReason, BadPdu, PduReader, PduType, Pdv
from dimse.states import AR_8_ACCEPTOR, AR_8_REQUESTOR, SERVICE_USER, TRANSITIONS, Action, Cause, State


class Role(Enum):
    ACCEPTOR = State.STA2
    REQUESTOR = State.STA1


class WrongState(Exception):
    """A bug: the caller requested something that the state does not allow."""


@dataclass(frozen=True, slots=True)
class Data:
    pdvs: list[Pdv]


class ReleaseRequested:
    """A-RELEASE-RQ; answer with `release_reply`."""


class ReleaseReplied:
    """A-RELEASE-RP: the association is over."""


@dataclass(frozen=True, slots=True)
class PeerAborted:
    source: int
    reason: int


@dataclass(frozen=True, slots=True)
class Faulty:
    """The peer broke the protocol; `UpperLayer.reply` holds the A-ABORT for it."""

    reason: AbortReason


Event = (
    AssociateRequest
    | AssociateAccept
    | AssociateReject
    | Data
    | ReleaseRequested
    | ReleaseReplied
    | PeerAborted
    | Faulty
)

_CAUSES = {
    PduType.A_ASSOCIATE_RQ: Cause.REQUEST_RECEIVED,
    PduType.A_ASSOCIATE_AC: Cause.ACCEPT_RECEIVED,
    PduType.A_ASSOCIATE_RJ: Cause.REJECT_RECEIVED,
    PduType.P_DATA_TF: Cause.DATA_RECEIVED,
    PduType.A_RELEASE_RQ: Cause.RELEASE_RECEIVED,
    PduType.A_RELEASE_RP: Cause.RELEASE_REPLY_RECEIVED,
    PduType.A_ABORT: Cause.ABORT_RECEIVED,
}


def _aborted(body: memoryview) -> PeerAborted:
    return PeerAborted(*body[2:4]) if len(body) >= 4 else PeerAborted(0, 0)


_DECODERS: dict[PduType, Callable[[memoryview], Event]] = {
    PduType.A_ASSOCIATE_RQ: lambda body: decode_request(bytes(body)),
    PduType.A_ASSOCIATE_AC: lambda body: decode_accept(bytes(body)),
    PduType.A_ASSOCIATE_RJ: lambda body: decode_reject(bytes(body)),
    PduType.P_DATA_TF: lambda body: Data(pdu.pdvs(body)),
    PduType.A_RELEASE_RQ: lambda body: ReleaseRequested(),
    PduType.A_RELEASE_RP: lambda body: ReleaseReplied(),
    PduType.A_ABORT: _aborted,
}


class UpperLayer:
    """One end of one association. `max_length` is the longest P-DATA-TF that we announce."""

    def __init__(self, role: Role, max_length: int) -> None:
        self._role = role
        self.state = role.value
        self.reader = PduReader(max_length)
        self.reply = b""
        """Bytes that the table requires to be sent at once; the driver sends and clears them."""

    @property
    def may_abort(self) -> bool:
        """Whether an association is requested or established; otherwise the transport can only be closed."""
        return Cause.ABORT in TRANSITIONS[self.state]

    def next_event(self) -> Event | None:
        """The next event in the bytes received so far, None when more are needed."""
        while self.state is not State.STA1:
            try:
                received = self.reader.next()
                if received is None:
                    return None
                kind, body = received
                cause, event = _CAUSES[kind], _DECODERS[kind](body)
            except BadPdu as bad:
                return self._invalid(bad.reason)
            except BadAssociate:
                return self._invalid(AbortReason.INVALID_PARAMETER)
            action = self._step(cause)
            if action.aborts is not None:
                self.reply += pdu.abort(action.aborts, AbortReason.UNEXPECTED_PDU)
                event = Faulty(AbortReason.UNEXPECTED_PDU)
            if action.indicates:
                return event
        return None

    def _invalid(self, reason: AbortReason) -> Faulty:
        action = self._step(Cause.INVALID_RECEIVED)
        self.reply += pdu.abort(action.aborts or SERVICE_USER, reason)
        return Faulty(reason)

    def closed(self) -> None:
        """The transport connection has ended."""
        if self.state is not State.STA1:
            self._step(Cause.CLOSED)

    def request(self, request: AssociateRequest) -> bytes:
        if self.state is not State.STA1 or self._role is not Role.REQUESTOR:
            raise WrongState(f"request in {self.state}")
        self.state = State.STA5  # AE-1 and AE-2 at once: the transport is already open
        return pdu.frame(PduType.A_ASSOCIATE_RQ, encode_request(request))

    def accept(self, accept: AssociateAccept) -> bytes:
        self._step(Cause.ACCEPT)
        return pdu.frame(PduType.A_ASSOCIATE_AC, encode_accept(accept))

    def reject(self, reject: AssociateReject) -> bytes:
        self._step(Cause.REJECT)
        return pdu.frame(PduType.A_ASSOCIATE_RJ, encode_reject(reject))

    @property
    def may_send_data(self) -> bool:
        """DT-1 and AR-7 stay in their state: only asked, so that a thread which sends cannot undo
        what the thread which receives has just learnt."""
        return Cause.DATA in TRANSITIONS[self.state]

    def release(self) -> bytes:
        self._step(Cause.RELEASE)
        return pdu.frame(PduType.A_RELEASE_RQ)

    def release_reply(self) -> bytes:
        self._step(Cause.RELEASE_REPLY)
        return pdu.frame(PduType.A_RELEASE_RP)

    def abort(self, source: int, reason: AbortReason = AbortReason.NOT_SPECIFIED) -> bytes:
        """`source`: 0 our user, 2 our provider, which alone gives a reason."""
        self._step(Cause.ABORT)
        return pdu.abort(source, reason)

    def _step(self, cause: Cause) -> Action:
        action = TRANSITIONS[self.state].get(cause)
        if action is None:
            raise WrongState(f"{cause} in {self.state}")
        if action is AR_8_REQUESTOR and self._role is Role.ACCEPTOR:
            action = AR_8_ACCEPTOR
        self.state = action.next
        return action
