"""Senders who do not wait for each answer (asynchronous operations window, PS3.7 §D.3.3.3)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydicom.uid import CTImageStorage, ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import AsynchronousOperationsWindowNegotiation

from tests.conformance.senders import small_ct, wire_bytes
from tests.conformance.server import Server

WINDOW = 8
BROKEN = b"\x08\x00\x18\x00\xff\xff\xff\x7f"  # an element that claims 2 GiB


@dataclass
class Sender:
    """pynetdicom negotiates the window but sends one by one; so its messages are sent by hand."""

    association: Association
    answers: dict[int, tuple[int, str]] = field(default_factory=dict)
    """Message ID → status and SOP Instance UID."""

    def send(self, message_id: int, sop_instance: str, dataset: bytes) -> None:
        request = C_STORE()
        request.MessageID, request.Priority = message_id, 2
        request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = CTImageStorage, sop_instance
        request.DataSet = io.BytesIO(dataset)
        self.association.dimse.send_msg(request, self.association.accepted_contexts[0].context_id)

    def receive(self) -> None:
        _, answer = self.association.dimse.get_msg(block=True)
        assert answer is not None, f"no answer after {len(self.answers)}"
        number = int(answer.MessageIDBeingRespondedTo)
        assert number not in self.answers, "answered twice"
        self.answers[number] = int(answer.Status), str(answer.AffectedSOPInstanceUID)


@contextmanager
def associated(server: Server, window: int) -> Iterator[Sender]:
    ask = AsynchronousOperationsWindowNegotiation()
    ask.maximum_number_operations_invoked, ask.maximum_number_operations_performed = window, 1
    ae = AE(ae_title="IMPATIENT")
    ae.add_requested_context(CTImageStorage, ImplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", server.dimse_port, ae_title="PACS", ext_neg=[ask])
    assert association.is_established
    association._reactor_checkpoint.clear()  # its own thread would take our answers for requests
    try:
        assert association.acceptor.asynchronous_operations == (window, 1)
        yield Sender(association)
    finally:
        association._reactor_checkpoint.set()
        association.release()


def slices(count: int) -> list[tuple[str, bytes]]:
    study, series = generate_uid(), generate_uid()
    made = [small_ct(study, series) for _ in range(count)]
    return [(str(ds.SOPInstanceUID), wire_bytes(ds)) for ds in made]


def known(server: Server, uids: list[str]) -> int:
    wanted = ", ".join(f"'{uid}'" for uid in uids)
    answer = server.sql(f"SELECT count(*) FROM instances WHERE sop_instance_uid IN ({wanted})")
    return int(answer.strip("(,)"))


def test_a_full_window_is_answered_to_the_last(server: Server) -> None:
    sent = slices(WINDOW)
    with associated(server, WINDOW) as sender:
        for number, (uid, dataset) in enumerate(sent, 1):
            sender.send(number, uid, dataset)
        for _ in sent:
            sender.receive()
    assert sender.answers == {number: (0x0000, uid) for number, (uid, _) in enumerate(sent, 1)}
    assert known(server, [uid for uid, _ in sent]) == WINDOW


def test_the_window_moves_on_while_answers_come_in(server: Server) -> None:
    """Hundred objects, never more than the window outstanding; answers in whatever order."""
    sent = slices(100)
    with associated(server, WINDOW) as sender:
        for number, (uid, dataset) in enumerate(sent, 1):
            if number - 1 - len(sender.answers) == WINDOW:
                sender.receive()
            sender.send(number, uid, dataset)
        while len(sender.answers) < len(sent):
            sender.receive()
    assert sender.answers == {number: (0x0000, uid) for number, (uid, _) in enumerate(sent, 1)}
    assert known(server, [uid for uid, _ in sent]) == len(sent)


def test_what_is_broken_or_comes_twice_does_not_hold_up_the_others(server: Server) -> None:
    sent = slices(4)
    broken = generate_uid()
    with associated(server, WINDOW) as sender:
        for number, (uid, dataset) in enumerate((sent[0], sent[1], (broken, BROKEN), *sent), 1):
            sender.send(number, uid, dataset)
        for _ in range(3 + len(sent)):
            sender.receive()
    status, uid = sender.answers.pop(3)
    assert (status, uid) == (0xA900, broken)
    assert {status for status, _ in sender.answers.values()} == {0x0000}
    assert known(server, [uid for uid, _ in sent]) == len(sent)
    assert known(server, [broken]) == 0


def test_a_sender_that_leaves_before_its_answers_leaves_whole_objects(server: Server) -> None:
    sent = slices(WINDOW)
    with associated(server, WINDOW) as sender:
        for number, (uid, dataset) in enumerate(sent, 1):
            sender.send(number, uid, dataset)
        sender.receive()
        sender.association.abort()
    ((number, (status, uid)),) = sender.answers.items()
    assert status == 0x0000
    assert known(server, [uid]) == 1
    with associated(server, WINDOW) as again:  # what may have come in before is taken in again without harm
        for number, (uid, dataset) in enumerate(sent, 1):
            again.send(number, uid, dataset)
        for _ in sent:
            again.receive()
    assert {status for status, _ in again.answers.values()} == {0x0000}
    assert known(server, [uid for uid, _ in sent]) == WINDOW
