"""Two upper layers talk without a network; and each answers what no peer should send."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dimse.associate import CALLED_NOT_RECOGNISED
from dimse.pdu import AbortReason, PduType, abort, fragments, frame
from dimse.states import State
from dimse.upper_layer import (
    Data,
    Event,
    Faulty,
    PeerAborted,
    ReleaseReplied,
    ReleaseRequested,
    Role,
    UpperLayer,
    WrongState,
)
from tests.dimse.test_associate_codec import ACCEPTS, REQUESTS

REQUEST, ACCEPT = REQUESTS["roles"], ACCEPTS["roles"]
DATA = b"".join(head + bytes(body) for head, body in fragments(1, True, [b"abcd"], 100))
RELEASE_RQ, RELEASE_RP = frame(PduType.A_RELEASE_RQ), frame(PduType.A_RELEASE_RP)


def receive(upper_layer: UpperLayer, data: bytes, step: int = 1) -> list[Event]:
    """The events of `data`, `step` bytes at a time."""
    events = []
    while data:
        room = upper_layer.reader.room()
        count = min(step, len(room), len(data))
        room[:count] = data[:count]
        upper_layer.reader.received(count)
        data = data[count:]
        while (event := upper_layer.next_event()) is not None:
            events.append(event)
            if isinstance(event, Faulty):
                return events
    return events


def acceptor(*, established: bool = True) -> UpperLayer:
    upper_layer = UpperLayer(Role.ACCEPTOR, 1 << 14)
    if established:
        receive(upper_layer, UpperLayer(Role.REQUESTOR, 0).request(REQUEST), 1000)
        upper_layer.accept(ACCEPT)
    return upper_layer


def requestor() -> UpperLayer:
    upper_layer = UpperLayer(Role.REQUESTOR, 1 << 14)
    upper_layer.request(REQUEST)
    waiting = acceptor(established=False)
    receive(waiting, UpperLayer(Role.REQUESTOR, 0).request(REQUEST), 1000)
    receive(upper_layer, waiting.accept(ACCEPT), 1000)
    return upper_layer


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_a_whole_association(step: int) -> None:
    us, them = UpperLayer(Role.ACCEPTOR, 1 << 14), UpperLayer(Role.REQUESTOR, 1 << 14)
    assert receive(us, them.request(REQUEST), step) == [REQUEST]
    assert receive(them, us.accept(ACCEPT), step) == [ACCEPT]
    assert {us.state, them.state} == {State.STA6}
    [data] = receive(us, DATA, step)
    assert isinstance(data, Data) and bytes(data.pdvs[0].data) == b"abcd"
    assert isinstance(receive(us, them.release(), step)[0], ReleaseRequested)
    assert us.may_send_data  # AR-7: what is under way may be finished
    assert isinstance(receive(them, us.release_reply(), step)[0], ReleaseReplied)
    assert (us.state, them.state) == (State.STA13, State.STA1)
    us.closed()
    assert us.state is State.STA1


def test_a_rejected_association() -> None:
    us, them = UpperLayer(Role.ACCEPTOR, 1 << 14), UpperLayer(Role.REQUESTOR, 1 << 14)
    receive(us, them.request(REQUEST), 1000)
    assert receive(them, us.reject(CALLED_NOT_RECOGNISED)) == [CALLED_NOT_RECOGNISED]
    assert (us.state, them.state) == (State.STA13, State.STA1)


def test_both_ask_for_release_at_once() -> None:
    us, them = acceptor(), requestor()
    ours, theirs = us.release(), them.release()
    assert isinstance(receive(us, theirs)[0], ReleaseRequested)
    assert isinstance(receive(them, ours)[0], ReleaseRequested)
    assert (us.state, them.state) == (State.STA10, State.STA9)
    assert isinstance(receive(us, them.release_reply())[0], ReleaseReplied)
    assert isinstance(receive(them, us.release_reply())[0], ReleaseReplied)
    assert (us.state, them.state) == (State.STA13, State.STA1)


def test_data_still_comes_after_we_asked_for_release() -> None:
    us = requestor()
    us.release()
    assert isinstance(receive(us, DATA)[0], Data)
    assert us.state is State.STA7


@pytest.mark.parametrize("role", [acceptor, requestor])
def test_the_peers_abort_ends_it(role: type) -> None:
    us = role()
    assert receive(us, abort(2, AbortReason.UNEXPECTED_PDU)) == [PeerAborted(2, 2)]
    assert us.state is State.STA1 and us.reply == b""


UNEXPECTED = {
    "request": UpperLayer(Role.REQUESTOR, 0).request(REQUEST),
    "reject": frame(PduType.A_ASSOCIATE_RJ, b"\0\1\1\1"),
    "release reply": RELEASE_RP,
}


@pytest.mark.parametrize("pdu", UNEXPECTED.values(), ids=UNEXPECTED)
def test_what_is_unexpected_is_answered_by_an_abort(pdu: bytes) -> None:
    us = acceptor()
    assert receive(us, pdu) == [Faulty(AbortReason.UNEXPECTED_PDU)]
    assert us.reply == abort(2, AbortReason.UNEXPECTED_PDU)
    assert us.state is State.STA13


@pytest.mark.parametrize(
    ("pdu", "reason"),
    [
        (DATA, AbortReason.UNEXPECTED_PDU),
        (RELEASE_RQ, AbortReason.UNEXPECTED_PDU),
        (RELEASE_RP, AbortReason.UNEXPECTED_PDU),
        (b"GET / HTTP/1.1\r\n\r\n", AbortReason.UNRECOGNIZED_PDU),
    ],
)
def test_nothing_comes_before_the_request(pdu: bytes, reason: AbortReason) -> None:
    """AA-1 has the service user as its source, AA-8 the provider (PS3.8 Table 9-9)."""
    us = acceptor(established=False)
    assert receive(us, pdu) == [Faulty(reason)]
    assert us.reply == abort(0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", AbortReason.UNRECOGNIZED_PDU),
        (b"\4\0\x7f\xff\xff\xff", AbortReason.INVALID_PARAMETER),
        (frame(PduType.P_DATA_TF, b"\0\0\0\x09\1\3abcd"), AbortReason.INVALID_PARAMETER),
    ],
)
def test_what_is_invalid_is_answered_by_an_abort(data: bytes, reason: AbortReason) -> None:
    us = acceptor()
    assert receive(us, data) == [Faulty(reason)]
    assert us.reply == abort(2, reason)


def test_after_an_abort_all_but_an_abort_is_ignored() -> None:
    us = acceptor()
    us.abort(0)
    assert receive(us, DATA + RELEASE_RQ) == []
    assert (us.state, us.may_send_data) == (State.STA13, False)
    assert receive(us, abort(0)) == [PeerAborted(0, 0)]
    assert us.state is State.STA1


@pytest.mark.parametrize("act", [UpperLayer.release_reply, UpperLayer.release, lambda u: u.accept(ACCEPT)])
def test_our_own_mistakes_are_our_own(act: Callable[[UpperLayer], object]) -> None:
    with pytest.raises(WrongState):
        act(acceptor(established=False))
