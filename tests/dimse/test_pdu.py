"""Framing and fragments, in one piece, a byte at a time, and in any pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.pdu import A_ABORT_RQ, A_RELEASE_RP, A_RELEASE_RQ, P_DATA_TF

from dimse.pdu import (
    MAX_ASSOCIATE,
    AbortReason,
    BadPdu,
    PduReader,
    PduType,
    abort,
    fragments,
    frame,
    pdvs,
)

MAX_LENGTH = 1 << 15


def feed(reader: PduReader, data: bytes, step: int) -> list[tuple[PduType, bytes]]:
    """Every PDU in `data`, received `step` bytes at a time."""
    found = []
    while data:
        room = reader.room()
        count = min(step, len(room), len(data))
        room[:count] = data[:count]
        reader.received(count)
        data = data[count:]
        while (pdu := reader.next()) is not None:
            found.append((pdu[0], bytes(pdu[1])))
    return found


STREAM = [
    (PduType.A_ASSOCIATE_RQ, b"a" * 200),
    (PduType.P_DATA_TF, b""),
    (PduType.P_DATA_TF, bytes(MAX_LENGTH)),
    (PduType.P_DATA_TF, b"x"),
    (PduType.P_DATA_TF, b"y" * (MAX_LENGTH - 1)),
    (PduType.A_RELEASE_RQ, b"\0\0\0\0"),
]


@pytest.mark.parametrize("step", [1, 5, 6, 7, 1000, MAX_LENGTH, 10 * MAX_LENGTH])
def test_frames_in_pieces_of_any_size(step: int) -> None:
    data = b"".join(frame(kind, body) for kind, body in STREAM)
    assert feed(PduReader(MAX_LENGTH), data, step) == STREAM


@given(st.lists(st.binary(max_size=600), max_size=30), st.integers(1, 5000))
def test_frames_whatever_the_lengths(bodies: list[bytes], step: int) -> None:
    data = b"".join(frame(PduType.P_DATA_TF, body) for body in bodies)
    assert feed(PduReader(600), data, step) == [(PduType.P_DATA_TF, body) for body in bodies]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"GET / HTTP/1.1", AbortReason.UNRECOGNIZED_PDU),
        (b"\x16\x03\x01\x02\x00\x01", AbortReason.UNRECOGNIZED_PDU),
        (b"\0\0\0\0\0\0", AbortReason.UNRECOGNIZED_PDU),
        (b"\x08\0\0\0\0\0", AbortReason.UNRECOGNIZED_PDU),
        (b"\x04\0" + (MAX_LENGTH + 1).to_bytes(4, "big"), AbortReason.INVALID_PARAMETER),
        (b"\x04\0\xff\xff\xff\xff", AbortReason.INVALID_PARAMETER),
        (b"\x01\0" + (MAX_ASSOCIATE + 1).to_bytes(4, "big"), AbortReason.INVALID_PARAMETER),
        (b"\x07\0\x7f\xff\xff\xff", AbortReason.INVALID_PARAMETER),
    ],
)
def test_refuses_by_the_header_alone(header: bytes, reason: AbortReason) -> None:
    with pytest.raises(BadPdu) as caught:
        feed(PduReader(MAX_LENGTH), header, 100)
    assert caught.value.reason is reason


def test_a_claim_reserves_no_memory_before_it_is_checked() -> None:
    reader = PduReader(MAX_LENGTH)
    feed(reader, b"\x04\0" + MAX_LENGTH.to_bytes(4, "big"), 100)
    assert len(reader.room()) <= MAX_LENGTH + 6


CHUNKS: list[list[bytes | memoryview]] = [
    [b""],
    [b"ab"],
    [b"abcd" * 100],
    [b"", b"abcd", b"", b"efghij"],
    [b"x" * 5000, b"y" * 2],
    [b"a"],
    [b"abc", memoryview(b"defgh"), b"", b"i"],
    [b"x" * 4999, b"y" * 3],
]


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("max_length", [8, 9, 100, 16384])
@pytest.mark.parametrize("is_command", [True, False])
def test_fragments_come_apart_as_they_were_put_together(
    chunks: list[bytes | memoryview], max_length: int, is_command: bool
) -> None:
    sent = b"".join(bytes(head) + bytes(body) for head, body in fragments(3, is_command, chunks, max_length))
    received = [pdv for _, body in feed(PduReader(max_length), sent, 777) for pdv in pdvs(memoryview(body))]
    whole = b"".join(chunks)
    assert b"".join(pdv.data for pdv in received) == whole + bytes(len(whole) % 2)
    assert {pdv.context_id for pdv in received} == {3}
    assert {pdv.is_command for pdv in received} == {is_command}
    assert [pdv.is_last for pdv in received] == [False] * (len(received) - 1) + [True]
    assert all(len(pdv.data) % 2 == 0 for pdv in received)


def test_reasons_of_an_abort_are_the_standards() -> None:
    assert [int(reason) for reason in AbortReason] == [0, 1, 2, 4, 5, 6]  # 3 is reserved


def test_pynetdicom_reads_our_fragments() -> None:
    sent = list(fragments(5, False, [b"abcdef" * 10], 30))
    assert len(sent) == 3
    for head, body in sent:
        theirs = P_DATA_TF()
        theirs.decode(head + bytes(body))
        [item] = theirs.presentation_data_value_items
        assert item.context_id == 5
        assert item.presentation_data_value[1:] == bytes(body)
        assert item.message_control_header_byte in ("00000000", "00000010")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (A_RELEASE_RQ(), frame(PduType.A_RELEASE_RQ)),
        (A_RELEASE_RP(), frame(PduType.A_RELEASE_RP)),
    ],
)
def test_release_as_pynetdicom_writes_it(theirs: A_RELEASE_RQ, ours: bytes) -> None:
    assert theirs.encode() == ours


def test_abort_as_pynetdicom_reads_it() -> None:
    theirs = A_ABORT_RQ()
    theirs.decode(abort(2, AbortReason.INVALID_PARAMETER))
    assert (theirs.source, theirs.reason_diagnostic) == (2, 6)
    theirs.decode(abort(0, AbortReason.INVALID_PARAMETER))
    assert (theirs.source, theirs.reason_diagnostic) == (0, 0)


@pytest.mark.parametrize(
    "body",
    [
        b"\0\0\0\x02\x01",  # cut off in the item's header
        b"\0\0\0\x05\x01\x00ab",  # longer than the PDU
        b"\0\0\0\x01\x01\x00",  # no room for the message control header
        b"\0\0\0\x00\x01\x00",
        b"\xff\xff\xff\xff\x01\x00ab",
        b"\0\0\0\x04\x01\x00ab\0",  # scraps behind
    ],
)
def test_refuses_bad_fragments(body: bytes) -> None:
    with pytest.raises(BadPdu):
        pdvs(memoryview(body))


@given(st.binary(max_size=64))
def test_any_bytes_are_fragments_or_refused(body: bytes) -> None:
    try:
        found = pdvs(memoryview(body))
    except BadPdu:
        return
    assert sum(len(pdv.data) + 6 for pdv in found) == len(body)
