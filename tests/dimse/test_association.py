"""A server in this process, and peers that do as they should and as they should not."""

from __future__ import annotations

import random
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace

import pytest

from dimse import connection
from dimse.associate import AssociateRequest, ProposedContext
from dimse.associate_codec import encode_request
from dimse.association import Association
from dimse.command import Command, CommandField
from dimse.operation import Operation, Service
from dimse.pdu import AbortReason, PduType, abort, fragments, frame
from dimse.server import DimseServer
from dimse.settings import DimseSettings
from dimse.sop_classes import FIND
from pacs.errors import DatabaseUnavailable, DataSetMismatch, StorageFull
from pacs.model import ApplicationEntity
from tests.dimse.wire import CONTEXTS, Wire, echo_command, request, store_command
from tests.dimse.world import CT_IMAGE_STORAGE, EXPLICIT, World, running
from tests.waiting import PATIENCE, eventually

FIND_CLASS = "1.2.840.10008.5.1.4.1.2.2.1"
DATA_SET = bytes(range(256)) * 400


@pytest.fixture
def world() -> Iterator[World]:
    with running() as running_world:
        yield running_world


def test_echo_and_release(world: World) -> None:
    with Wire(world.port) as wire:
        wire.associate()
        assert [wire.echo(number) for number in (1, 2, 3)] == [0, 0, 0]
        wire.release()
        assert wire.ended()
    eventually("nothing is left", lambda: world.server.associations == 0 and world.observer.open == 0)
    assert world.observer.operations == [("C_ECHO", 0)] * 3


@pytest.mark.parametrize("max_length", [8, 100, 1 << 14, 1 << 18])
def test_a_stored_data_set_is_what_was_sent(world: World, max_length: int) -> None:
    data_set = DATA_SET[:2000] if max_length == 8 else DATA_SET
    with Wire(world.port) as wire:
        wire.associate()
        wire.ask(3, store_command(9), data_set, max_length)
        response = wire.response()
    assert (response.status, response.responds_to) == (0, 9)
    assert response["AffectedSOPClassUID"] == CT_IMAGE_STORAGE
    assert response["AffectedSOPInstanceUID"] == "1.2.3.4"
    [kept] = world.archive.kept
    assert kept.data_set == data_set
    assert (kept.transfer_syntax, kept.sop_class_uid, kept.sop_instance_uid) == (
        EXPLICIT,
        CT_IMAGE_STORAGE,
        "1.2.3.4",
    )
    assert (kept.actor.name, kept.actor.address, kept.actor.kind) == ("WIRE", "127.0.0.1", "ae")


def test_several_fragments_in_one_pdu_a_byte_at_a_time(world: World) -> None:
    command, *rest = Wire.encoded(3, store_command(), b"abcdef", 8)
    bodies = b"".join(pdu[6:] for pdu in (command, *rest))
    with Wire(world.port) as wire:
        wire.associate()
        for byte in frame(PduType.P_DATA_TF, bodies):
            wire.send(bytes((byte,)))
        assert wire.response().status == 0
    assert world.archive.kept[0].data_set == b"abcdef"


@pytest.mark.parametrize(
    ("error", "status"),
    [(StorageFull(), 0xA700), (DataSetMismatch(), 0xA900), (RuntimeError("our bug"), 0x0110)],
)
@pytest.mark.parametrize("where", ["fail_writing", "fail_commit"])
def test_a_refused_object_does_not_end_the_association(
    world: World, error: Exception, status: int, where: str
) -> None:
    setattr(world.archive, where, error)
    with Wire(world.port) as wire:
        wire.associate()
        wire.ask(3, store_command(1), DATA_SET)
        response = wire.response()
        assert response.status == status
        assert "our bug" not in response["ErrorComment"]
        setattr(world.archive, where, None)
        wire.ask(3, store_command(2), DATA_SET)
        assert wire.response().status == 0
        wire.release()
    assert len(world.archive.kept) == 1 and world.archive.left == 2


@pytest.mark.parametrize("missing", ["AffectedSOPClassUID", "AffectedSOPInstanceUID", None])
def test_a_store_without_its_names_or_its_data_set(world: World, missing: str | None) -> None:
    command = store_command(1)
    if missing:
        del command[missing]
    with Wire(world.port) as wire:
        wire.associate()
        wire.ask(3, command, DATA_SET if missing else None)
        assert wire.response().status == 0xC000
        assert wire.echo(2) == 0
    assert world.archive.kept == []


def test_commands_that_nobody_serves(world: World) -> None:
    with Wire(world.port) as wire:
        wire.associate()
        n_action = Command(CommandField=CommandField.N_ACTION_RQ, MessageID=1, RequestedSOPClassUID="1.2")
        wire.ask(3, n_action, DATA_SET)
        assert wire.response().status == 0x0211
        wire.ask(1, Command(CommandField=0x0140, MessageID=1, AffectedSOPClassUID="1.2"))  # N-CREATE
        assert wire.response().status == 0x0211
        wire.ask(3, echo_command(2))  # on a storage context
        assert wire.response().status == 0x0122
        wire.ask(1, store_command(3), DATA_SET)  # on the verification context
        assert wire.response().status == 0x0122
        cancel = Command(CommandField=CommandField.C_CANCEL_RQ, MessageIDBeingRespondedTo=3)
        wire.ask(1, cancel)
        wire.ask(1, cancel, DATA_SET)  # which it never has, but says that it has
        assert wire.echo(4) == 0
    assert world.observer.operations[:2] == [("N_ACTION", 0x0211), ("UNKNOWN", 0x0211)]


# --- Who may -----------------------------------------------------------------------------------


def rejected(world: World, wanted: AssociateRequest) -> tuple[int, int, int]:
    with Wire(world.port) as wire:
        return wire.rejected(wanted)


def unavailable(*_: object) -> None:
    raise DatabaseUnavailable


def test_rejections(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(called="PACS") as world:
        assert rejected(world, request(called="OTHER")) == (1, 1, 7)
        assert rejected(world, replace(request(), application_context="1.2")) == (1, 1, 2)
        assert rejected(world, replace(request(), protocol_version=2)) == (1, 2, 2)
        monkeypatch.setattr(type(world.server._edge.admission), "admit", lambda *_: None)
        assert rejected(world, request()) == (1, 1, 3)
        assert world.observer.refusals[0] == "called AE title not recognised"
        monkeypatch.setattr(type(world.server._edge.admission), "admit", unavailable)
        assert rejected(world, request()) == (2, 3, 1)
        assert len(world.observer.refusals) == 5


def test_an_entity_without_the_right_is_refused_each_time(world: World) -> None:
    world.register.entities["WIRE"] = ApplicationEntity("WIRE", 7, None, None, frozenset({"find"}))
    with Wire(world.port) as wire:
        wire.associate()
        wire.ask(3, store_command(), DATA_SET)
        assert wire.response().status == 0x0124
        assert wire.echo(2) == 0
    assert world.archive.written == 0


def test_one_too_many_is_told_to_come_back() -> None:
    settings = DimseSettings(max_associations=2)
    with running(settings) as world, Wire(world.port) as first, Wire(world.port) as second:
        first.associate()
        second.associate()
        assert rejected(world, request()) == (2, 3, 2)
        assert first.echo() == 0
        first.release()
        first.socket.close()
        eventually("a place is free", lambda: world.server.associations == 1)
        with Wire(world.port) as third:
            third.associate()


def served_by(server: DimseServer) -> int:
    return sum(guest.connection is not None for guest in list(server._threads.values()))


def test_a_connection_without_association_makes_room_for_one_that_associates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dimse.server._SILENCE", 0.0)
    settings = DimseSettings(max_associations=3)

    with running(settings) as world, ExitStack() as stack:
        served = stack.enter_context(Wire(world.port))
        served.associate()
        first, second = stack.enter_context(Wire(world.port)), stack.enter_context(Wire(world.port))
        first.socket.sendall(frame(PduType.A_ASSOCIATE_RQ, encode_request(request()))[:20])
        eventually("three are served", lambda: served_by(world.server) == 3)
        for _ in range(2):
            late = stack.enter_context(Wire(world.port))
            late.associate()
            assert late.echo() == 0
        for silent in (first, second):
            silent.socket.settimeout(PATIENCE)
            with suppress(ConnectionResetError):  # what it had sent may not have been read
                assert silent.socket.recv(100) in (b"", frame(PduType.A_ABORT, bytes(4)))
        assert served.echo() == 0


def test_one_that_was_sent_away_takes_no_place_until_its_thread_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a busy machine that takes a moment: the next to associate were refused meanwhile."""
    monkeypatch.setattr("dimse.server._SILENCE", 0.0)
    may_end, run = threading.Event(), Association.run

    def slow_to_end(association: Association) -> None:
        run(association)
        may_end.wait(PATIENCE)

    monkeypatch.setattr(Association, "run", slow_to_end)
    with running(DimseSettings(max_associations=2)) as world, ExitStack() as stack:
        stack.callback(may_end.set)
        for _ in range(2):
            stack.enter_context(Wire(world.port))
        eventually("both are served", lambda: served_by(world.server) == 2)
        for _ in range(2):
            stack.enter_context(Wire(world.port)).associate()


def test_a_new_connection_has_time_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dimse.server._SILENCE", PATIENCE)
    with running(DimseSettings(max_associations=1)) as world, Wire(world.port) as first:
        eventually("it waits", lambda: world.server.associations == 1)
        assert rejected(world, request()) == (2, 3, 2)
        first.associate()


# --- Peers that break the protocol ---------------------------------------------------------------

NO_COMMAND = b"".join(head + bytes(body) for head, body in fragments(1, True, [b"abcd"], 100))
HALF_A_STORE = b"".join(Wire.encoded(3, store_command(), DATA_SET)[:3])
VIOLATIONS = {
    "garbage": (b"GET / HTTP/1.1\r\n\r\n", (2, AbortReason.UNRECOGNIZED_PDU)),
    "a PDU longer than announced": (b"\4\0\0\x10\0\0", (2, AbortReason.INVALID_PARAMETER)),
    "a second request": (
        frame(PduType.A_ASSOCIATE_RQ, encode_request(request())),
        (2, AbortReason.UNEXPECTED_PDU),
    ),
    "a data set without a command": (
        Wire.encoded(3, store_command(), DATA_SET)[1],
        (2, AbortReason.INVALID_PARAMETER),
    ),
    "no command set": (NO_COMMAND, (2, AbortReason.INVALID_PARAMETER)),
    "a context that was not accepted": (
        Wire.encoded(99, echo_command())[0],
        (2, AbortReason.INVALID_PARAMETER),
    ),
    "a response to no request": (
        Wire.encoded(1, Command(CommandField=CommandField.C_ECHO_RSP, Status=0))[0],
        (2, AbortReason.INVALID_PARAMETER),
    ),
    "a command within a data set": (
        HALF_A_STORE + Wire.encoded(1, echo_command())[0],
        (2, AbortReason.INVALID_PARAMETER),
    ),
    "a command without an end": (
        b"".join(head + bytes(body) for head, body in fragments(1, True, [bytes(1 << 17)], 1 << 14)),
        (2, AbortReason.INVALID_PARAMETER),
    ),
}


@pytest.mark.parametrize(("sent", "answer"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_a_violation_is_answered_by_an_abort(
    world: World, sent: bytes, answer: tuple[int, AbortReason]
) -> None:
    with Wire(world.port) as wire:
        wire.associate()
        wire.send(sent)
        assert wire.aborted() == answer
        assert wire.ended()
    with Wire(world.port) as other:
        other.associate()
        assert other.echo() == 0
    assert world.archive.kept == []


MORE = b"".join(Wire.encoded(3, store_command(), bytes(1 << 22)))


class Hasty(Wire):
    """Sends on before it reads any answer, far more than the buffers between us take: all of it is taken."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)


def test_a_last_answer_arrives_whole_although_the_peer_sends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing a socket with unread bytes resets the connection, and what we sent may be lost."""
    monkeypatch.setattr(connection, "LINGER", 60.0)
    with running(called="PACS") as world:
        with Hasty(world.port) as wire:
            assert wire.rejected(request(called="OTHER"), MORE) == (1, 1, 7)
        with Hasty(world.port) as wire:
            wire.associate()
            wire.send(frame(PduType.A_RELEASE_RQ), MORE)
            assert wire.pdu()[0] == PduType.A_RELEASE_RP and wire.ended()
        with Hasty(world.port) as wire:
            wire.associate()
            wire.send(b"GET / HTTP/1.1\r\n\r\n", MORE)
            assert wire.aborted() == (2, AbortReason.UNRECOGNIZED_PDU) and wire.ended()


ENDS = {
    "drop": lambda wire: wire.socket.close(),
    "abort": lambda wire: wire.send(abort(0)),
    "release": lambda wire: wire.send(frame(PduType.A_RELEASE_RQ)),
    "reset": lambda wire: (
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"),
        wire.socket.close(),
    ),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize(
    "sent", [b"", HALF_A_STORE, HALF_A_STORE + b"\4\0\0\0"], ids=["idle", "data", "header"]
)
def test_an_end_at_any_moment_leaves_nothing(
    world: World, end: Callable[[Wire], object], sent: bytes
) -> None:
    wire = Wire(world.port)
    wire.associate()
    wire.send(sent)
    end(wire)
    wire.socket.close()
    eventually("the association ended", lambda: world.server.associations == 0)
    assert world.archive.kept == [] and world.archive.left == bool(sent)


def test_random_bytes_never_end_the_listener(world: World) -> None:
    dice = random.Random(5)
    valid = frame(PduType.A_ASSOCIATE_RQ, encode_request(request()))
    store = b"".join(Wire.encoded(3, store_command(), DATA_SET[:2000]))
    for round_ in range(200):
        with Wire(world.port) as wire:
            data = bytearray(valid + store if round_ % 2 else dice.randbytes(dice.randrange(1, 300)))
            for _ in range(dice.randrange(1, 6)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            wire.send(bytes(data))
    with Wire(world.port) as wire:
        wire.associate()
        assert wire.echo() == 0
    eventually("all ended", lambda: world.server.associations == 0)


# --- Time ----------------------------------------------------------------------------------------


def test_a_request_that_drips_is_given_up_whole() -> None:
    with running(DimseSettings(request_timeout=0.4)) as world, Wire(world.port) as wire:
        data = frame(PduType.A_ASSOCIATE_RQ, encode_request(request()))
        with pytest.raises(OSError):
            for byte in data * 10:
                wire.send(bytes((byte,)))
                time.sleep(0.02)
                if world.server.associations == 0:
                    raise ConnectionResetError


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        (DimseSettings(request_timeout=0.2), None),
        (DimseSettings(idle_timeout=0.2), b""),
        (DimseSettings(stall_timeout=0.2), HALF_A_STORE),
    ],
    ids=["no request", "idle", "stalled"],
)
def test_silence_ends_an_association(settings: DimseSettings, sent: bytes | None) -> None:
    with running(settings) as world, Wire(world.port) as wire:
        if sent is not None:
            wire.associate()
            wire.send(sent)
            assert wire.pdu()[0] == PduType.A_ABORT
        assert wire.ended()
        eventually("the association ended", lambda: world.server.associations == 0)


def test_a_peer_that_never_reads_is_given_up() -> None:
    def flood(operation: Operation) -> None:
        while True:
            operation.respond(0xFF00, bytes(60_000))

    service = Service(CommandField.C_FIND_RQ, "find", FIND, flood)
    with running(DimseSettings(stall_timeout=0.3), (service,)) as world, Wire(world.port) as wire:
        wire.associate(request([ProposedContext(1, FIND_CLASS, (EXPLICIT,))]))
        wire.ask(1, Command(CommandField=CommandField.C_FIND_RQ, MessageID=1), b"abcd")
        eventually("the association ended", lambda: world.server.associations == 0)


def test_draining_lets_the_running_message_end() -> None:
    with running() as world, Wire(world.port) as idle, Wire(world.port) as busy:
        idle.associate()
        busy.associate()
        first, *rest = Wire.encoded(3, store_command(), DATA_SET)
        busy.send(first, rest[0])
        eventually("the data set is arriving", lambda: world.archive.written > 0)
        drained: list[bool] = []
        draining = threading.Thread(target=lambda: drained.append(world.server.drain(60.0)))
        draining.start()
        assert idle.pdu()[0] == PduType.A_ABORT
        busy.send(*rest[1:])
        assert busy.response().status == 0
        assert busy.pdu()[0] == PduType.A_ABORT
        draining.join()
        assert drained == [True] and len(world.archive.kept) == 1
        with pytest.raises(OSError):
            Wire(world.port).associate()


def test_draining_ends_a_peer_that_goes_on_sending() -> None:
    """As long as the next message was there already, each was served, until the time was over."""
    with running() as world, Wire(world.port) as wire:
        wire.associate()
        world.archive.gate.clear()
        wire.ask(3, store_command(1), DATA_SET)
        assert world.archive.committing.acquire(timeout=60)
        for number in range(2, 20):
            wire.ask(1, echo_command(number))
        draining = threading.Thread(target=world.server.drain, args=(60.0,))
        draining.start()
        assert select.select([world.server.stop.begun], [], [], 60)[0]
        world.archive.gate.set()
        assert wire.response().responds_to == 1
        assert wire.pdu()[0] == PduType.A_ABORT
        draining.join()


def test_draining_cuts_what_does_not_end() -> None:
    with running() as world, Wire(world.port) as busy:
        busy.associate()
        busy.send(HALF_A_STORE)
        eventually("the data set is arriving", lambda: world.archive.written > 0)
        assert world.server.drain(0.1) is False
        assert busy.aborted() == (0, AbortReason.NOT_SPECIFIED)
        assert busy.ended()


# --- Asynchronous operations -----------------------------------------------------------------------


@pytest.mark.parametrize("threads", [0, 1])
def test_within_the_window_without_threads(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    """One that was told of the failure was told of its success later, or its file was kept open for ever."""
    start, had = threading.Thread.start, []

    def refused(thread: threading.Thread) -> None:
        if thread.name.startswith("commit"):
            had.append(thread)
            if len(had) > threads:
                raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    with running() as world, Wire(world.port) as wire:
        wire.associate(request(window=(4, 1)))
        world.archive.gate.clear()
        for number in (1, 2):
            wire.ask(3, store_command(number), DATA_SET)
            if threads:
                assert world.archive.committing.acquire(timeout=60)
        world.archive.gate.set()
        answers = [wire.response() for _ in range(2)]
        assert {(answer.responds_to, answer.status) for answer in answers} == {(1, 0), (2, 0)}
        assert wire.echo(3) == 0
        wire.release()
        assert len(world.archive.kept) == world.archive.left == 2


def test_without_a_window_the_next_request_waits_for_the_commit(world: World) -> None:
    world.archive.gate.clear()
    with Wire(world.port) as wire:
        wire.associate()
        wire.ask(3, store_command(1), DATA_SET)
        wire.ask(3, store_command(2), DATA_SET)
        assert world.archive.committing.acquire(timeout=60)
        assert not world.archive.committing.acquire(timeout=0.1)
        world.archive.gate.set()
        assert [wire.response().responds_to for _ in range(2)] == [1, 2]


def test_within_the_window_requests_are_read_while_others_are_committed(world: World) -> None:
    world.archive.gate.clear()
    with Wire(world.port) as wire:
        accept = wire.associate(request(window=(4, 1)))
        assert accept.user.window == (4, 1)
        for number in range(1, 5):
            wire.ask(3, store_command(number, f"1.2.{number}"), DATA_SET)
        assert all(world.archive.committing.acquire(timeout=60) for _ in range(4))
        wire.ask(1, echo_command(5))
        assert wire.response().responds_to == 5  # overtakes the commits
        wire.send(frame(PduType.A_RELEASE_RQ))
        world.archive.gate.set()
        assert sorted(wire.response().responds_to for _ in range(4)) == [1, 2, 3, 4]
        assert wire.pdu()[0] == PduType.A_RELEASE_RP
    assert len(world.archive.kept) == 4


def test_what_was_received_whole_is_kept_though_the_peer_has_gone(world: World) -> None:
    world.archive.gate.clear()
    with Wire(world.port) as wire:
        wire.associate(request(window=(0, 1)))
        wire.ask(3, store_command(1), DATA_SET)
        assert world.archive.committing.acquire(timeout=60)
    world.archive.gate.set()
    eventually("kept", lambda: len(world.archive.kept) == 1 and world.server.associations == 0)


# --- Many ----------------------------------------------------------------------------------------


def test_200_associations_at_once(world: World) -> None:
    wires = [Wire(world.port) for _ in range(200)]
    for wire in wires:
        wire.associate()
    eventually("all are open", lambda: world.observer.open == 200)
    for number, wire in enumerate(wires):
        wire.ask(3, store_command(1, f"1.2.{number}"), DATA_SET[:5000])
    assert {wire.response().status for wire in wires} == {0}
    for wire in wires:
        wire.release()
        wire.socket.close()
    assert len(world.archive.kept) == 200
    eventually("all ended", lambda: world.server.associations == 0)


# --- What a service sees -------------------------------------------------------------------------


def test_a_service_hears_of_a_cancel_and_other_requests_wait() -> None:
    seen: list[bytes] = []

    def serve(operation: Operation) -> None:
        seen.append(operation.identifier())
        operation.respond(0xFF00, b"\x08\0\x52\0\2\0\0\0IM")
        while True:
            operation.go_on()
            time.sleep(0.01)

    service = Service(CommandField.C_FIND_RQ, "find", FIND, serve)
    contexts = (*CONTEXTS, ProposedContext(5, FIND_CLASS, (EXPLICIT,)))
    with running(services=(service,)) as world, Wire(world.port) as wire:
        accept = wire.associate(request(contexts, extended={FIND_CLASS: b"\1\1\1\1"}))
        assert accept.user.extended == {FIND_CLASS: b"\1\1\0\0"}
        find = Command(CommandField=CommandField.C_FIND_RQ, MessageID=6, AffectedSOPClassUID=FIND_CLASS)
        wire.ask(5, find, b"abcd")
        assert wire.response().status == 0xFF00
        assert wire.pdu()[0] == PduType.P_DATA_TF
        wire.ask(5, Command(CommandField=CommandField.C_CANCEL_RQ, MessageIDBeingRespondedTo=1))
        wire.ask(5, Command(CommandField=CommandField.C_CANCEL_RQ, MessageIDBeingRespondedTo=6))
        wire.ask(1, echo_command(7))
        assert wire.response().status == 0xFE00
        assert wire.response().responds_to == 7
        wire.release()
    assert seen == [b"abcd"]


def test_half_a_cancel_is_not_lost() -> None:
    """Its beginning was forgotten, and the peer given as much time again for what else it would send."""

    def serve(operation: Operation) -> None:
        operation.identifier()
        while True:
            operation.go_on()
            time.sleep(0.01)

    service = Service(CommandField.C_FIND_RQ, "find", FIND, serve)
    contexts = (ProposedContext(5, FIND_CLASS, (EXPLICIT,)),)
    with running(DimseSettings(stall_timeout=0.2), (service,)) as world, Wire(world.port) as wire:
        wire.associate(request(contexts))
        wire.ask(5, Command(CommandField=CommandField.C_FIND_RQ, MessageID=6), b"abcd")
        cancel = Command(CommandField=CommandField.C_CANCEL_RQ, MessageIDBeingRespondedTo=6)
        half, *_ = Wire.encoded(5, cancel, max_length=32)
        wire.send(half)
        assert wire.aborted() == (0, 0)


@pytest.mark.parametrize("data_set", [None, bytes((1 << 20) + 2)])
def test_an_identifier_must_be_there_and_has_a_bound(data_set: bytes | None) -> None:
    def serve(operation: Operation) -> None:
        operation.identifier()

    service = Service(CommandField.C_FIND_RQ, "find", FIND, serve)
    with running(services=(service,)) as world, Wire(world.port) as wire:
        wire.associate(request([ProposedContext(1, FIND_CLASS, (EXPLICIT,))]))
        wire.ask(1, Command(CommandField=CommandField.C_FIND_RQ, MessageID=1), data_set)
        assert wire.response().status == 0xC000
        wire.release()
