"""C-MOVE and C-GET over real sockets: DCMTK and pynetdicom ask, the archive is a handful of images."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.datadict import keyword_for_tag
from pynetdicom import AE, AllStoragePresentationContexts, build_context, build_role, evt
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from pynetdicom.presentation import PresentationContext
from structlog.testing import capture_logs

from dimse import delivery, server, suboperations
from dimse.associate import AssociateAccept, ContextResult, ProposedContext, UserInformation
from dimse.associate_codec import encode_accept
from dimse.command import Command, CommandField, respond_to
from dimse.ended import ConnectionLost
from dimse.models import MODELS, OPTIONS
from dimse.pdu import PduType, frame, pdvs
from dimse.sending import Sending
from dimse.services import get, move
from dimse.services.move import Outbound
from dimse.serving import ServedOperation
from pacs.access import RIGHTS
from pacs.dicom.writer import encode_dataset
from pacs.errors import Unavailable
from pacs.model import ApplicationEntity, Identity, StoredInstance
from pacs.pixels.decode import DECODABLE, decode
from pacs.transcoding import Codecs, Transcoder
from tests.conformance.server import free_port
from tests.dimse.holdings import BIG, CT, EXPLICIT, IMPLICIT, MR, SR, Holdings
from tests.dimse.wire import VERIFICATION, Wire, echo_command, request
from tests.dimse.world import Register, World, running
from tests.programs import needs
from tests.waiting import eventually

PATIENT_ROOT, STUDY_ROOT, PATIENT_STUDY_ONLY = MODELS
RLE, JPEG, HEVC = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.107"
CLASSES = [str(context.abstract_syntax) for context in AllStoragePresentationContexts]

needs_dcmtk = needs("getscu", "movescu")


@dataclass
class Archive:
    holdings: Holdings
    world: World
    entities: Register

    def register(self, title: str, port: int, host: str | None = "127.0.0.1", organization: int = 1) -> None:
        entity = ApplicationEntity(title, organization, host, port, frozenset(RIGHTS))
        self.entities.entities[title] = entity


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """Sends a pending response after each sub-operation, however quick it is, and none within one that a busy
    machine takes long for."""
    monkeypatch.setattr(suboperations, "PENDING_EVERY", 0.0)
    monkeypatch.setattr(delivery, "TELL_EVERY", 3600.0)
    holdings, entities = Holdings(), Register()
    sending = Sending(holdings, Transcoder(Codecs(DECODABLE, decode)))
    services = (get.service(sending), move.service(sending, Outbound(entities, "PACS", timeout=60.0)))
    with running(services=services, options=OPTIONS) as world:
        yield Archive(holdings, world, entities)


@dataclass
class Destination:
    """A storage SCP that remembers what came, and answers as told."""

    port: int = 0
    came: list[tuple[str, str, bytes]] = field(default_factory=list)
    """SOP Instance UID, transfer syntax, data set."""
    originators: list[tuple[str, int]] = field(default_factory=list)
    associations: int = 0
    released: int = 0
    answer: Callable[[int], int | Dataset] = lambda number: 0x0000
    """The status for the n-th object, or the whole response; -1 aborts the association."""

    def store(self, event: evt.Event) -> int | Dataset:
        request = event.request
        status = self.answer(len(self.came))
        self.came.append(
            (request.AffectedSOPInstanceUID, event.context.transfer_syntax, request.DataSet.getvalue())
        )
        self.originators.append(
            (request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID)
        )
        if status == -1:
            event.assoc.abort()
            return 0
        return status

    def accepted(self, event: evt.Event) -> None:
        self.associations += 1

    def ended_in_order(self, event: evt.Event) -> None:
        self.released += 1


@contextmanager
def destination(contexts: list[PresentationContext], **told: Any) -> Iterator[Destination]:
    there = Destination(**told)
    ae = AE("THERE")
    ae.supported_contexts = contexts
    handlers = [(evt.EVT_C_STORE, there.store), (evt.EVT_ACCEPTED, there.accepted)]
    handlers.append((evt.EVT_RELEASED, there.ended_in_order))
    listening = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    there.port = listening.socket.getsockname()[1]
    try:
        yield there
    finally:
        listening.shutdown()


@dataclass
class Hanging:
    port: int
    hangs: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def hanging(reached: str) -> Iterator[Hanging]:
    """A destination that takes a connection, an association or one object, and says nothing then; of half an
    object, it does not read the rest for a while."""
    accept = AssociateAccept((ContextResult(1, 0, EXPLICIT),), UserInformation())

    def serve() -> None:
        wire = Wire.__new__(Wire)
        wire.socket, _ = listener.accept()
        with wire, suppress(EOFError, ConnectionResetError):
            wire.socket.settimeout(120)
            if reached != "connection":
                wire.pdu()
            if "object" in reached:
                wire.send(frame(PduType.A_ASSOCIATE_AC, encode_accept(accept)))
                wire.pdu()
            there.hangs.set()
            if reached == "half an object":
                time.sleep(2)
            while wire.pdu():
                pass
        there.ended.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        there = Hanging(listener.getsockname()[1])
        serving = threading.Thread(target=serve)
        serving.start()
        yield there
        serving.join()


def ask(level: str = "STUDY", **keys: Any) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    return identifier


Responses = list[tuple[Dataset, Dataset | None]]


def do_move(
    archive: Archive, identifier: Dataset, to: str = "THERE", model: str = STUDY_ROOT.move
) -> Responses:
    ae = AE("ASKER")
    ae.add_requested_context(model, EXPLICIT)
    association = ae.associate("127.0.0.1", archive.world.port, ae_title="PACS")
    assert association.is_established
    responses = list(association.send_c_move(identifier, to, model))
    association.release()
    return responses


def do_get(
    archive: Archive,
    identifier: Dataset,
    contexts: list[PresentationContext],
    answer: Callable[[int], int | Dataset] = lambda number: 0,
    model: str = STUDY_ROOT.get,
) -> tuple[Responses, Destination]:
    here = Destination(answer=answer)
    ae = AE("ASKER")
    ae.requested_contexts = [build_context(model), *contexts]
    association = ae.associate(
        "127.0.0.1",
        archive.world.port,
        ae_title="PACS",
        ext_neg=[build_role(uid, scp_role=True) for uid in {c.abstract_syntax for c in contexts}],
        evt_handlers=[(evt.EVT_C_STORE, here.store)],
    )
    assert association.is_established
    responses = list(association.send_c_get(identifier, model))
    association.release()
    return responses, here


def counters(response: Dataset) -> tuple[int | None, ...]:
    """Remaining, completed, failed, warning."""
    return tuple(
        response.get(f"NumberOf{which}Suboperations")
        for which in ("Remaining", "Completed", "Failed", "Warning")
    )


# --- C-MOVE -----------------------------------------------------------------------------------


def test_a_study_is_moved_as_it_was_stored(archive: Archive) -> None:
    held = [archive.holdings.add_image() for _ in range(3)]
    archive.holdings.add_image(study="1.3")
    with destination([build_context(CT)]) as there:
        archive.register("THERE", there.port)
        responses = do_move(archive, ask(StudyInstanceUID="1.2"))
    assert [status.Status for status, _ in responses] == [0xFF00] * 3 + [0x0000]
    assert [counters(status) for status, _ in responses] == [
        (2, 1, 0, 0), (1, 2, 0, 0), (0, 3, 0, 0), (None, 3, 0, 0),
    ]  # fmt: skip
    assert [(uid, syntax, data) for uid, syntax, data in there.came] == [
        (one.instance.identity.sop_instance_uid, EXPLICIT, one.data_set) for one in held
    ]
    assert there.associations == 1
    assert {title for title, _ in there.originators} == {"ASKER"}
    assert archive.holdings.records == [
        ("retrieve", "success", {
            "level": "STUDY", "entities": 1, "destination": "THERE",
            "completed": 3, "failed": 0, "remaining": 0,
        }),
    ]  # fmt: skip


def test_pending_responses_come_now_and_then(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suboperations, "PENDING_EVERY", 3600.0)
    for _ in range(30):
        archive.holdings.add_image()
    with destination([build_context(CT)]) as there:
        archive.register("THERE", there.port)
        responses = do_move(archive, ask(StudyInstanceUID="1.2"))
    assert [counters(status) for status, _ in responses] == [(29, 1, 0, 0), (None, 30, 0, 0)]


def test_nothing_selected_is_a_success(archive: Archive) -> None:
    archive.register("THERE", 9)
    ((status, identifier),) = do_move(archive, ask(StudyInstanceUID="9.9"))
    assert (status.Status, counters(status), identifier) == (0x0000, (None, 0, 0, 0), None)


@pytest.mark.parametrize(
    ("level", "keys", "count"),
    [
        ("PATIENT", {"PatientID": "P1"}, 4),
        ("PATIENT", {"PatientID": "P9"}, 0),
        ("STUDY", {"PatientID": "P1", "StudyInstanceUID": "1.2"}, 3),
        ("STUDY", {"PatientID": "P1", "StudyInstanceUID": ["1.2", "1.3"]}, 4),
        ("SERIES", {"PatientID": "P1", "StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.2"}, 1),
    ],
)
def test_unique_keys_select(archive: Archive, level: str, keys: dict[str, Any], count: int) -> None:
    for study, series in (("1.2", "1.2.1"), ("1.2", "1.2.1"), ("1.2", "1.2.2"), ("1.3", "1.3.1")):
        archive.holdings.add_image(study=study, series=series)
    with destination([build_context(CT)]) as there:
        archive.register("THERE", there.port)
        responses = do_move(archive, ask(level, **keys), model=PATIENT_ROOT.move)
    assert responses[-1][0].Status == 0x0000
    assert len(there.came) == count


@pytest.mark.parametrize(
    ("model", "identifier", "comment"),
    [
        (STUDY_ROOT.move, ask("PATIENT", PatientID="P1"), "Level"),
        (STUDY_ROOT.move, ask("FRAME", StudyInstanceUID="1.2"), "Level"),
        (STUDY_ROOT.move, ask("SERIES", SeriesInstanceUID="1.2.1"), "StudyInstanceUID is missing"),
        (STUDY_ROOT.move, ask("STUDY"), "StudyInstanceUID is missing"),
        (STUDY_ROOT.move, ask("SERIES", StudyInstanceUID=["1.2", "1.3"], SeriesInstanceUID="1"), "single"),
        (PATIENT_ROOT.move, ask("STUDY", StudyInstanceUID="1.2"), "PatientID is missing"),
        (PATIENT_STUDY_ONLY.move, ask("SERIES", PatientID="P1", StudyInstanceUID="1.2"), "Level"),
    ],
)
def test_an_identifier_against_the_model_is_refused(
    archive: Archive, model: str, identifier: Dataset, comment: str
) -> None:
    archive.register("THERE", 9)
    ((status, _),) = do_move(archive, identifier, model=model)
    assert status.Status == 0xA900
    assert comment in status.ErrorComment
    assert keyword_for_tag(status.OffendingElement)


def test_relational_retrieval_needs_no_keys_from_above(archive: Archive) -> None:
    archive.holdings.add_image()
    wanted = archive.holdings.add_image(series="1.2.2")
    with destination([build_context(CT)]) as there:
        archive.register("THERE", there.port)
        ae = AE("ASKER")
        ae.add_requested_context(STUDY_ROOT.move)
        option = SOPClassExtendedNegotiation()
        option.sop_class_uid, option.service_class_application_information = STUDY_ROOT.move, b"\1"
        association = ae.associate("127.0.0.1", archive.world.port, ae_title="PACS", ext_neg=[option])
        identifier = ask("SERIES", SeriesInstanceUID="1.2.2")
        final = [status for status, _ in association.send_c_move(identifier, "THERE", STUDY_ROOT.move)][-1]
        association.release()
    assert (final.Status, counters(final)) == (0x0000, (None, 1, 0, 0))
    assert [uid for uid, _, _ in there.came] == [wanted.instance.identity.sop_instance_uid]


def test_unknown_destinations(archive: Archive) -> None:
    archive.holdings.add_image()
    archive.register("FOREIGN", 9, organization=2)
    archive.register("SILENT", 9, host=None)
    for title in ("NOBODY", "FOREIGN", "SILENT"):
        ((status, _),) = do_move(archive, ask(StudyInstanceUID="1.2"), to=title)
        assert status.Status == 0xA801


def test_a_destination_out_of_reach_fails_everything(archive: Archive) -> None:
    held = [archive.holdings.add_image() for _ in range(3)]
    with destination([build_context(CT)]) as there:
        archive.register("THERE", there.port)
    ((status, identifier),) = do_move(archive, ask(StudyInstanceUID="1.2"))
    assert (status.Status, counters(status)) == (0xA702, (None, 0, 3, 0))
    assert identifier is not None
    assert identifier.FailedSOPInstanceUIDList == [h.instance.identity.sop_instance_uid for h in held]


def test_failures_and_warnings_are_counted_and_stop_nobody(archive: Archive) -> None:
    held = [archive.holdings.add_image() for _ in range(5)]
    held[2].damaged = True
    answers = {0: 0xB000, 1: 0xA700}
    with destination([build_context(CT)], answer=lambda number: answers.get(number, 0)) as there:
        archive.register("THERE", there.port)
        responses = do_move(archive, ask(StudyInstanceUID="1.2"))
    status, identifier = responses[-1]
    assert (status.Status, counters(status)) == (0xB000, (None, 2, 2, 1))
    assert identifier is not None
    assert set(identifier.FailedSOPInstanceUIDList) == {
        held[number].instance.identity.sop_instance_uid for number in (1, 2)
    }
    assert len(there.came) == 4


def test_damage_that_shows_late_costs_an_association_not_the_others(archive: Archive) -> None:
    held = [archive.holdings.add_image() for _ in range(4)]
    held[1].damaged_late = True
    with destination([build_context(CT)]) as there:
        archive.register("THERE", there.port)
        responses = do_move(archive, ask(StudyInstanceUID="1.2"))
    status, identifier = responses[-1]
    assert (status.Status, counters(status)) == (0xB000, (None, 3, 1, 0))
    assert identifier is not None
    assert identifier.FailedSOPInstanceUIDList == held[1].instance.identity.sop_instance_uid
    assert [data for _, _, data in there.came] == [held[number].data_set for number in (0, 2, 3)]


def test_much_damage_does_not_look_like_a_destination_that_drops(archive: Archive) -> None:
    held = [archive.holdings.add_image() for _ in range(8)]
    for damaged in held[1:7]:
        damaged.damaged_late = True
    with destination([build_context(CT)]) as there:
        archive.register("THERE", there.port)
        responses = do_move(archive, ask(StudyInstanceUID="1.2"))
    assert counters(responses[-1][0]) == (None, 2, 6, 0)
    assert [data for _, _, data in there.came] == [held[number].data_set for number in (0, 7)]


def test_a_dropped_association_is_opened_again(archive: Archive) -> None:
    held = [archive.holdings.add_image() for _ in range(4)]
    with destination([build_context(CT)], answer=lambda number: -1 if number == 1 else 0) as there:
        archive.register("THERE", there.port)
        responses = do_move(archive, ask(StudyInstanceUID="1.2"))
    assert counters(responses[-1][0]) == (None, 4, 0, 0)
    assert {uid for uid, _, _ in there.came} == {h.instance.identity.sop_instance_uid for h in held}
    assert there.associations == 2


@pytest.mark.parametrize("kill", [1, 2])
def test_instances_that_kill_the_destination_are_skipped(archive: Archive, kill: int) -> None:
    """Two in a row, and nothing that came behind them was sent."""
    for _ in range(5):
        archive.holdings.add_image()
    killers = range(1, 1 + 2 * kill)  # each is tried twice
    with destination([build_context(CT)], answer=lambda number: -1 if number in killers else 0) as there:
        archive.register("THERE", there.port)
        responses = do_move(archive, ask(StudyInstanceUID="1.2"))
    assert counters(responses[-1][0]) == (None, 5 - kill, kill, 0)
    assert responses[-1][0].ErrorComment == "the destination ended the association"
    assert there.associations == 1 + 2 * kill


def test_a_destination_that_keeps_dropping_is_given_up(archive: Archive) -> None:
    for _ in range(50):
        archive.holdings.add_image()
    with destination([build_context(CT)], answer=lambda number: -1) as there:
        archive.register("THERE", there.port)
        responses = do_move(archive, ask(StudyInstanceUID="1.2"))
    assert (responses[-1][0].Status, counters(responses[-1][0])) == (0xA702, (None, 0, 50, 0))
    assert there.associations == 2 * delivery.PATIENCE


def test_what_the_destination_takes_decides_the_encoding(archive: Archive) -> None:
    held = {
        "explicit": archive.holdings.add_image(),
        "rle": archive.holdings.add_image(syntax=RLE),
        "big": archive.holdings.add_image(MR, syntax=BIG),
        "sr": archive.holdings.add_image(SR, syntax=EXPLICIT),
    }
    contexts = [build_context(CT, [EXPLICIT, RLE]), build_context(MR, [IMPLICIT])]
    with destination(contexts) as there:
        archive.register("THERE", there.port)
        responses = do_move(archive, ask(StudyInstanceUID="1.2"))
    came = {uid: (syntax, data) for uid, syntax, data in there.came}
    uid = {name: one.instance.identity.sop_instance_uid for name, one in held.items()}
    assert came[uid["explicit"]] == (EXPLICIT, held["explicit"].data_set)
    assert came[uid["rle"]] == (RLE, held["rle"].data_set)
    assert came[uid["big"]][0] == IMPLICIT
    assert responses[-1][1] is not None
    assert responses[-1][1].FailedSOPInstanceUIDList == uid["sr"]
    assert counters(responses[-1][0]) == (None, 3, 1, 0)


def test_compressed_images_are_decoded_for_peers_without_compression(archive: Archive) -> None:
    archive.holdings.add_image(syntax=RLE)
    original = archive.holdings.add_image()
    with destination([build_context(CT, IMPLICIT)]) as there:
        archive.register("THERE", there.port)
        do_move(archive, ask(StudyInstanceUID="1.2"))
    (_, syntax, decoded), (_, _, native) = there.came
    assert syntax == IMPLICIT
    assert decoded[-8192:] == native[-8192:] == original.data_set[-8192:]


def test_more_classes_than_one_association_carries(archive: Archive) -> None:
    """128 contexts an association; here are 75 classes, each stored in two syntaxes."""
    classes = CLASSES[:75]
    for sop_class in classes:
        for syntax in (EXPLICIT, BIG):
            archive.holdings.add_image(sop_class, syntax=syntax)
    with destination([build_context(sop_class, [EXPLICIT, BIG]) for sop_class in classes]) as there:
        archive.register("THERE", there.port)
        responses = do_move(archive, ask(StudyInstanceUID="1.2"))
    assert counters(responses[-1][0]) == (None, 150, 0, 0)
    assert {syntax for _, syntax, _ in there.came} == {EXPLICIT, BIG}
    assert there.associations == 2


def test_a_move_is_cancelled_between_two_instances(archive: Archive) -> None:
    for _ in range(200):
        archive.holdings.add_image()

    def slowly(number: int) -> int:
        if number == 3:
            assert cancelled.wait(60)
        time.sleep(0.005)
        return 0

    cancelled = threading.Event()
    with destination([build_context(CT)], answer=slowly) as there:
        archive.register("THERE", there.port)
        ae = AE("ASKER")
        ae.add_requested_context(STUDY_ROOT.move)
        association = ae.associate("127.0.0.1", archive.world.port, ae_title="PACS")
        responses = []
        for status, _ in association.send_c_move(
            ask(StudyInstanceUID="1.2"), "THERE", STUDY_ROOT.move, msg_id=7
        ):
            responses.append(status)
            if len(responses) == 3:
                association.send_c_cancel(7, query_model=STUDY_ROOT.move)
                cancelled.set()
        assert association.send_c_move(ask(StudyInstanceUID="9"), "THERE", STUDY_ROOT.move)
        association.release()
    remaining, completed, failed, warning = counters(responses[-1])
    assert responses[-1].Status == 0xFE00
    assert remaining is not None and completed is not None
    assert remaining + completed == 200 and failed == warning == 0
    assert 3 <= completed < 200 and len(there.came) == completed


@pytest.mark.parametrize("reached", ["connection", "association", "object", "half an object"])
def test_a_move_is_cancelled_while_its_destination_hangs(archive: Archive, reached: str) -> None:
    """The cancel was heard when the destination's time was over, a minute later."""
    for _ in range(5):
        archive.holdings.add_image()
    archive.holdings.add(bytes(1 << 26), EXPLICIT, Identity(CT, "1.2.1.1", "1.2.1", "1.3"))
    study = "1.3" if reached == "half an object" else "1.2"
    with hanging(reached) as there, moving(archive, there.port, study) as wire:
        assert there.hangs.wait(60)
        wire.ask(1, Command(CommandField=CommandField.C_CANCEL_RQ, MessageIDBeingRespondedTo=7))
        asked, final = time.monotonic(), wire.response()
        assert time.monotonic() - asked < 30
        count = 1 if study == "1.3" else 5
        assert (final.status, final["NumberOfRemainingSuboperations"]) == (0xFE00, count)
        assert there.ended.wait(30)
        wire.ask(3, echo_command(8))
        assert wire.response().responds_to == 8


def test_a_destination_that_hangs_is_left_when_nobody_asks_any_more(archive: Archive) -> None:
    archive.holdings.add_image()
    with hanging("object") as there:
        with moving(archive, there.port, "1.2"):
            assert there.hangs.wait(60)
        assert there.ended.wait(30)
        eventually("it has ended", lambda: archive.world.server.associations == 0)


def test_the_requester_hears_of_a_slow_destination(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some wait ten seconds for a response; a destination may take longer to store."""
    monkeypatch.setattr(delivery, "TELL_EVERY", 0.0)
    archive.holdings.add_image()
    with hanging("object") as there, moving(archive, there.port, "1.2") as wire:
        told = [wire.response() for _ in range(3)]
        assert [(each.status, each["NumberOfRemainingSuboperations"]) for each in told] == [(0xFF00, 1)] * 3


@contextmanager
def moving(archive: Archive, port: int, study: str) -> Iterator[Wire]:
    """Who has asked for a C-MOVE, with Message ID 7 on context 1."""
    archive.register("THERE", port)
    contexts = [
        ProposedContext(1, STUDY_ROOT.move, (IMPLICIT,)),
        ProposedContext(3, VERIFICATION, (IMPLICIT,)),
    ]
    command = Command(CommandField=CommandField.C_MOVE_RQ, MessageID=7, Priority=0, MoveDestination="THERE")
    identifier = [(0x00080052, "CS", ["STUDY"]), (0x0020000D, "UI", [study])]
    with Wire(archive.world.port) as wire:
        wire.associate(request(contexts))
        wire.ask(1, command, encode_dataset(identifier, IMPLICIT))
        yield wire


# --- C-GET ------------------------------------------------------------------------------------


def test_a_study_is_got_as_it_was_stored(archive: Archive) -> None:
    held = [archive.holdings.add_image(syntax=syntax) for syntax in (EXPLICIT, RLE, EXPLICIT)]
    responses, here = do_get(
        archive, ask(StudyInstanceUID="1.2"), [build_context(CT, EXPLICIT), build_context(CT, RLE)]
    )
    assert [counters(status) for status, _ in responses] == [
        (2, 1, 0, 0), (1, 2, 0, 0), (0, 3, 0, 0), (None, 3, 0, 0),
    ]  # fmt: skip
    assert [data for _, _, data in here.came] == [one.data_set for one in held]


@pytest.mark.parametrize("ahead", [1 << 20, 0], ids=["read ahead", "as it is read"])
def test_an_odd_data_set_is_sent_with_an_even_length(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    """DCMTK aborted at its last fragment, and the rest of the study was not sent either."""
    monkeypatch.setattr("dimse.ahead.SMALL", ahead)
    even = archive.holdings.add_image()
    odd = archive.holdings.add(
        even.data_set + b"\0", EXPLICIT, replace(even.instance.identity, sop_instance_uid="1.3")
    )
    _, here = do_get(archive, ask(StudyInstanceUID="1.2"), [build_context(CT, EXPLICIT)])
    assert [data for _, _, data in here.came] == [even.data_set, odd.data_set + b"\0"]


def test_only_contexts_with_the_role_carry_instances(archive: Archive) -> None:
    archive.holdings.add_image()
    held = archive.holdings.add_image(MR)
    ae = AE("ASKER")
    ae.requested_contexts = [build_context(STUDY_ROOT.get), build_context(CT), build_context(MR)]
    came: list[str] = []

    def store(event: evt.Event) -> int:
        came.append(event.request.AffectedSOPInstanceUID)
        return 0

    association = ae.associate(
        "127.0.0.1",
        archive.world.port,
        ae_title="PACS",
        ext_neg=[build_role(MR, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, store)],
    )
    responses = list(association.send_c_get(ask(StudyInstanceUID="1.2"), STUDY_ROOT.get))
    association.release()
    assert came == [held.instance.identity.sop_instance_uid]
    assert (responses[-1][0].Status, counters(responses[-1][0])) == (0xB000, (None, 1, 1, 0))


def test_a_peer_that_names_no_roles_gets_instances_too(archive: Archive) -> None:
    """As Horos and others, against PS3.4 §C.5.3: nothing could be sent to them."""
    held = archive.holdings.add_image()
    keys = ((0x00080052, "CS", ["STUDY"]), (0x0020000D, "UI", ["1.2"]))
    get_request = Command(
        CommandField=CommandField.C_GET_RQ, MessageID=1, Priority=0, AffectedSOPClassUID=STUDY_ROOT.get
    )
    proposed = (ProposedContext(1, STUDY_ROOT.get, (EXPLICIT,)), ProposedContext(3, CT, (EXPLICIT,)))
    with Wire(archive.world.port) as wire:
        wire.associate(request(proposed))
        wire.ask(1, get_request, encode_dataset(keys, EXPLICIT))
        store = wire.response()
        assert store.field == CommandField.C_STORE_RQ
        assert pdvs(memoryview(wire.pdu()[1]))[0].data == held.data_set
        wire.ask(3, respond_to(store, 0))
        assert [wire.response().status for _ in range(2)] == [0xFF00, 0x0000]


def test_get_failures_are_listed(archive: Archive) -> None:
    held = [archive.holdings.add_image() for _ in range(3)]
    video = archive.holdings.add(b"\x08\0\x16\0UI\2\0001\0", HEVC, held[0].instance.identity)
    held[1].damaged = True
    responses, _ = do_get(
        archive,
        ask(StudyInstanceUID="1.2"),
        [build_context(CT)],
        answer=lambda number: 0xB006 if number else 0,
    )
    status, identifier = responses[-1]
    assert (status.Status, counters(status)) == (0xB000, (None, 1, 2, 1))
    assert identifier is not None
    assert list(identifier.FailedSOPInstanceUIDList) == [
        held[1].instance.identity.sop_instance_uid, video.instance.identity.sop_instance_uid,
    ]  # fmt: skip


def test_all_failed_is_a_failure(archive: Archive) -> None:
    archive.holdings.add_image()
    responses, _ = do_get(archive, ask(StudyInstanceUID="1.2"), [build_context(CT, JPEG)])
    final, _ = responses[-1]
    assert (final.Status, counters(final)) == (0xA702, (None, 0, 1, 0))
    assert final.ErrorComment.startswith("the peer accepts neither Explicit VR Little Endian nor")


@pytest.mark.parametrize("comment", [None, "it is full"])
def test_a_receiver_that_refuses_is_quoted(archive: Archive, comment: str | None) -> None:
    archive.holdings.add_image()
    answer = Dataset()
    answer.Status = 0xA700
    if comment:
        answer.ErrorComment = comment
    responses, _ = do_get(
        archive, ask(StudyInstanceUID="1.2"), [build_context(CT)], answer=lambda number: answer
    )
    assert responses[-1][0].ErrorComment == (comment or "the receiver answered with status A700")


def test_get_with_as_many_classes_as_an_association_has_room_for(archive: Archive) -> None:
    classes = CLASSES[:127]
    for sop_class in classes:
        archive.holdings.add_image(sop_class)
    responses, here = do_get(
        archive, ask(StudyInstanceUID="1.2"), [build_context(sop_class) for sop_class in classes]
    )
    assert counters(responses[-1][0]) == (None, 127, 0, 0)
    assert len(here.came) == 127


def test_a_get_is_cancelled(archive: Archive) -> None:
    for _ in range(100):
        archive.holdings.add_image()
    ae = AE("ASKER")
    ae.requested_contexts = [build_context(STUDY_ROOT.get), build_context(CT)]
    association = ae.associate(
        "127.0.0.1",
        archive.world.port,
        ae_title="PACS",
        ext_neg=[build_role(CT, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, lambda event: 0)],
    )
    responses = []
    for status, _ in association.send_c_get(ask(StudyInstanceUID="1.2"), STUDY_ROOT.get, msg_id=9):
        responses.append(status)
        if len(responses) == 3:
            association.send_c_cancel(9, query_model=STUDY_ROOT.get)
    association.release()
    remaining, completed, _, _ = counters(responses[-1])
    assert responses[-1].Status == 0xFE00
    assert remaining is not None and completed is not None
    assert remaining + completed == 100 and remaining > 0


def test_a_store_that_is_away_is_not_asked_for_every_instance(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would wait for it as long as a request may, one after the other."""
    for _ in range(50):
        archive.holdings.add_image()
    asked: list[StoredInstance] = []

    def away(holdings: Holdings, instance: StoredInstance) -> None:
        asked.append(instance)
        raise Unavailable("the store is away")

    monkeypatch.setattr(Holdings, "open", away)
    monkeypatch.setattr("dimse.ahead.SMALL", 0)  # else they are asked for ahead, too
    responses, here = do_get(archive, ask(StudyInstanceUID="1.2"), [build_context(CT)])
    final, failed = responses[-1]
    assert (final.Status, counters(final), here.came) == (0xA702, (None, 0, 50, 0), [])
    assert final.ErrorComment == "the store is away"
    assert failed is not None and len(failed.FailedSOPInstanceUIDList) == 50
    assert len(asked) == suboperations.PATIENCE


# --- The server's end ----------------------------------------------------------------------------


@dataclass
class Ending:
    """The server's end, told to come when `number` objects have arrived: its time is nearly over at once."""

    world: World
    number: int
    _draining: threading.Thread | None = None
    _ended: list[bool] = field(default_factory=list)

    def answer(self, number: int) -> int:
        if number == self.number:
            self._draining = threading.Thread(target=lambda: self._ended.append(self.world.server.drain(120)))
            self._draining.start()
            eventually("the time is nearly over", lambda: self.world.server.stop.ending.is_set)
        return 0

    def in_order(self) -> bool:
        assert self._draining is not None
        self._draining.join(120)
        return self._ended == [True]


@pytest.fixture
def ending(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Ending:
    monkeypatch.setattr(server, "_LEAD", 120.0)
    return Ending(archive.world, 2)


def test_a_move_that_the_servers_end_interrupts_ends_in_order(archive: Archive, ending: Ending) -> None:
    """It was cut, after as long as a stop may take, and its destination with it."""
    held = [archive.holdings.add_image() for _ in range(50)]
    with destination([build_context(CT)], answer=ending.answer) as there:
        archive.register("THERE", there.port)
        ae = AE("ASKER")
        ae.add_requested_context(STUDY_ROOT.move)
        association = ae.associate("127.0.0.1", archive.world.port, ae_title="PACS")
        *_, (final, failed) = association.send_c_move(ask(StudyInstanceUID="1.2"), "THERE", STUDY_ROOT.move)
        assert ending.in_order()
        eventually("the destination is released", lambda: there.released == 1)
    interrupted(final, failed, [each.instance.identity.sop_instance_uid for each in held])
    assert len(there.came) == 3


def test_the_requester_hears_of_large_instances_while_they_are_sent(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for a gigabyte without a word gives up."""
    monkeypatch.setattr(delivery, "TELL_EVERY", 0.0)
    monkeypatch.setattr(delivery, "MEANWHILE_EVERY", 0.0)
    monkeypatch.setattr(suboperations, "PENDING_EVERY", 3600.0)
    for _ in range(2):
        archive.holdings.add_image()
    with destination([build_context(CT)]) as there:
        archive.register("THERE", there.port)
        responses = do_move(archive, ask(StudyInstanceUID="1.2"))
    told = [counters(status) for status, _ in responses]
    in_turn = [each for each, _ in groupby(told)]  # a busy machine may be told more often
    assert in_turn == [(2, 0, 0, 0), (1, 1, 0, 0), (None, 2, 0, 0)] and told.count((1, 1, 0, 0)) > 1


def test_the_requester_may_leave_while_an_instance_is_sent(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not the destination that was lost: that is not tried again."""
    monkeypatch.setattr(delivery, "TELL_EVERY", 0.0)
    monkeypatch.setattr(delivery, "MEANWHILE_EVERY", 0.0)
    held = [archive.holdings.add_image() for _ in range(2)]

    def gone(operation: ServedOperation, *told: object, **elements: object) -> None:
        raise ConnectionLost("closed by the peer")

    monkeypatch.setattr(ServedOperation, "respond", gone)
    with destination([build_context(CT)]) as there, capture_logs() as lines:
        archive.register("THERE", there.port)
        do_move(archive, ask(StudyInstanceUID="1.2"))
        eventually("it has ended", lambda: archive.world.server.associations == 0)
        assert (there.associations, there.came) == (1, [])
    assert archive.holdings.records[-1][2]["remaining"] == len(held)
    assert [line["reason"] for line in lines if line["event"] == "association ended"] == ["ConnectionLost"]


@pytest.mark.parametrize("reached", ["connection", "association", "object"])
def test_a_destination_that_hangs_is_not_waited_for_at_the_servers_end(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, reached: str
) -> None:
    """Who asked was cut: the wait for the destination could be longer than the stop's."""
    monkeypatch.setattr(server, "_LEAD", 120.0)
    monkeypatch.setattr(server, "_LATE", 119.0)
    for _ in range(5):
        archive.holdings.add_image()
    with hanging(reached) as there:
        archive.register("THERE", there.port)
        drained: list[bool] = []

        def drain() -> None:
            assert there.hangs.wait(120)
            drained.append(archive.world.server.drain(120))

        draining = threading.Thread(target=drain)
        draining.start()
        responses = do_move(archive, ask(StudyInstanceUID="1.2"))
        draining.join()
    final, _ = responses[-1]
    assert drained == [True]
    assert (final.Status, counters(final)) == (0xA702, (None, 0, 5, 0))
    assert final.ErrorComment == "the archive is being stopped"


def test_a_move_that_waits_for_the_database_is_answered_before_the_servers_end(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_LEAD", 120.0)
    asked, answers = threading.Event(), threading.Event()

    def waiting(holdings: Holdings, *what: object) -> list[StoredInstance]:
        asked.set()
        assert answers.wait(120)
        return []

    monkeypatch.setattr(Holdings, "locate", waiting)
    with moving(archive, 104, "1.2") as wire:
        assert asked.wait(60)
        draining = threading.Thread(target=lambda: archive.world.server.drain(120))
        draining.start()
        final = wire.response()
        assert (final.status, final["ErrorComment"]) == (0xA701, "the archive is being stopped")
        draining.join()
    answers.set()


def test_a_get_that_the_servers_end_interrupts_ends_in_order(archive: Archive, ending: Ending) -> None:
    held = [archive.holdings.add_image() for _ in range(50)]
    responses, here = do_get(archive, ask(StudyInstanceUID="1.2"), [build_context(CT)], answer=ending.answer)
    assert ending.in_order()
    interrupted(*responses[-1], [each.instance.identity.sop_instance_uid for each in held])
    assert len(here.came) == 3


def interrupted(final: Dataset, failed: Dataset | None, uids: list[str]) -> None:
    """The final response tells that three of `uids` came."""
    assert (final.Status, counters(final)) == (0xB000, (None, 3, 47, 0))
    assert final.ErrorComment == "the archive is being stopped"
    assert failed is not None and set(failed.FailedSOPInstanceUIDList) < set(uids)


# --- DCMTK ------------------------------------------------------------------------------------


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_dcmtk
def test_getscu(archive: Archive, tmp_path: Path) -> None:
    held = [archive.holdings.add_image() for _ in range(3)]
    run("getscu", "-v", "-S", "-aec", "PACS", "-od", str(tmp_path), "-k", "QueryRetrieveLevel=STUDY",
        "-k", "StudyInstanceUID=1.2", "127.0.0.1", str(archive.world.port))  # fmt: skip
    got = {dcmread(path).SOPInstanceUID: path for path in tmp_path.iterdir()}
    assert got.keys() == {one.instance.identity.sop_instance_uid for one in held}
    for one in held:
        path = got[one.instance.identity.sop_instance_uid]
        assert dcmread(path).PixelData == one.data_set[-8192:]


@needs_dcmtk
def test_movescu(archive: Archive, tmp_path: Path) -> None:
    """movescu is its own destination."""
    held = [archive.holdings.add_image(syntax=syntax) for syntax in (EXPLICIT, RLE, IMPLICIT)]
    port = free_port()
    archive.register("MOVER", port)
    run("movescu", "-v", "-S", "-aet", "MOVER", "-aem", "MOVER", "-aec", "PACS", "--port", str(port), "-od",
        str(tmp_path), "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2", "127.0.0.1",
        str(archive.world.port))  # fmt: skip
    got = {dcmread(path).SOPInstanceUID: dcmread(path).PixelData for path in tmp_path.iterdir()}
    assert got == {one.instance.identity.sop_instance_uid: held[0].data_set[-8192:] for one in held}
