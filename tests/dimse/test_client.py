"""Outgoing associations: to our own server, and to peers that misbehave."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from dimse import client
from dimse.associate import CALLED_NOT_RECOGNISED, ProposedContext
from dimse.associate_codec import encode_accept, encode_reject
from dimse.client import Destination, OutgoingAssociation, open_association, proposals
from dimse.ended import Aborted, AssociationEnded, ConnectionLost, Rejected, TimedOut, Violation
from dimse.operation import MoveOriginator, OutgoingInstance
from dimse.pdu import AbortReason, PduType, abort, frame
from dimse.settings import DimseSettings
from dimse.sop_classes import VERIFICATION
from dimse.status import SOP_CLASS_NOT_SUPPORTED
from pacs.errors import Damaged, StorageFull
from tests.dimse.test_associate_codec import ACCEPTS
from tests.dimse.wire import Wire, echo_command
from tests.dimse.world import CT_IMAGE_STORAGE, EXPLICIT, IMPLICIT, World, running

DATA_SET = bytes(range(256)) * 5000
WANTED = proposals([(VERIFICATION, [IMPLICIT]), (CT_IMAGE_STORAGE, [EXPLICIT, IMPLICIT])])


def destination(port: int, timeout: float = 60.0) -> Destination:
    return Destination("127.0.0.1", port, called="PACS", calling="US", timeout=timeout)


@contextmanager
def connected(world: World) -> Iterator[OutgoingAssociation]:
    with open_association(destination(world.port), WANTED) as association:
        yield association


def instance(*chunks: bytes, uid: str = "1.2.3") -> OutgoingInstance:
    return OutgoingInstance(CT_IMAGE_STORAGE, uid, chunks)


def test_echo() -> None:
    with running() as world, connected(world) as association:
        assert [association.echo(), association.echo()] == [0, 0]
        accepted = [context.abstract_syntax for context in association.contexts]
        assert accepted == [VERIFICATION, CT_IMAGE_STORAGE]


def test_echo_needs_its_context() -> None:
    with running() as world, open_association(destination(world.port), WANTED[1:]) as association:
        assert association.echo() == SOP_CLASS_NOT_SUPPORTED


@pytest.mark.parametrize("max_length", [64, 1 << 14, 1 << 18])
@pytest.mark.parametrize("chunk", [10, 1000, 1 << 20])
def test_a_stored_instance_arrives_as_it_was(max_length: int, chunk: int) -> None:
    data_set = DATA_SET if max_length * chunk > 1 << 20 else DATA_SET[:5000]
    chunks = [data_set[i : i + chunk] for i in range(0, len(data_set), chunk)]
    with running(DimseSettings(max_length=max_length)) as world, connected(world) as association:
        [context] = association.contexts_for(CT_IMAGE_STORAGE)
        response = association.store(context, instance(*chunks), MoveOriginator("MOVER", 77))
        assert response.status == 0
        assert association.store(context, instance(b"ab", uid="1.2.4")).status == 0
    first, second = world.archive.kept
    assert (first.data_set, first.transfer_syntax, first.sop_instance_uid) == (data_set, EXPLICIT, "1.2.3")
    assert second.data_set == b"ab"


def test_a_refused_instance_is_an_answer() -> None:
    with running() as world, connected(world) as association:
        world.archive.fail_writing = StorageFull()
        [context] = association.contexts_for(CT_IMAGE_STORAGE)
        assert association.store(context, instance(DATA_SET)).status == 0xA700
        assert association.echo() == 0


def test_a_source_that_fails_halfway_ends_the_association() -> None:
    def failing() -> Iterator[bytes]:
        yield DATA_SET
        raise Damaged

    with running() as world, pytest.raises(Damaged), connected(world) as association:
        [context] = association.contexts_for(CT_IMAGE_STORAGE)
        association.store(context, OutgoingInstance(CT_IMAGE_STORAGE, "1.2", failing()))
    assert world.archive.kept == [] and world.archive.left == 1


def test_a_source_that_fails_before_anything_went_out_ends_nothing() -> None:
    def failing() -> Iterator[bytes]:
        yield DATA_SET[:1000]
        raise Damaged

    with running() as world, connected(world) as association:
        [context] = association.contexts_for(CT_IMAGE_STORAGE)
        with pytest.raises(Damaged):
            association.store(context, OutgoingInstance(CT_IMAGE_STORAGE, "1.2", failing()))
        assert association.echo() == 0
    assert world.observer.operations == [("C_ECHO", 0)]


def test_rejected() -> None:
    with running(called="OTHER") as world, pytest.raises(Rejected) as caught:
        open_association(destination(world.port), WANTED)
    assert caught.value.reject == CALLED_NOT_RECOGNISED
    assert str(caught.value) == "called AE title not recognised"


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(ConnectionLost):
        open_association(destination(port), WANTED)


def test_a_destination_whose_name_is_none() -> None:
    with pytest.raises(ConnectionLost):
        open_association(replace(destination(104), host="pacs..example"), WANTED)


def test_too_many_contexts_are_our_mistake() -> None:
    with pytest.raises(ValueError, match="128"):
        proposals([(CT_IMAGE_STORAGE, [IMPLICIT])] * 129)


# --- Peers that misbehave ------------------------------------------------------------------------

Script = Callable[[Wire], None]
ACCEPT = frame(PduType.A_ASSOCIATE_AC, encode_accept(ACCEPTS["least"]))
REJECT = frame(PduType.A_ASSOCIATE_RJ, encode_reject(CALLED_NOT_RECOGNISED))


@contextmanager
def peer(script: Script) -> Iterator[int]:
    """A peer that reads the request and then does what the script says."""

    def serve() -> None:
        connection, _ = listener.accept()
        wire = Wire.__new__(Wire)
        wire.socket = connection
        connection.settimeout(60.0)
        with wire:
            wire.pdu()
            script(wire)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as thread:
        served = thread.submit(serve)
        yield listener.getsockname()[1]
        served.result(60)


def silent(wire: Wire) -> None:
    wire.pdu()


@pytest.mark.parametrize(
    ("script", "ended"),
    [
        (silent, TimedOut),
        (lambda wire: None, ConnectionLost),
        (lambda wire: wire.send(abort(2, AbortReason.NOT_SPECIFIED)), Aborted),
        (lambda wire: wire.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), AssociationEnded),
        (lambda wire: wire.send(frame(PduType.A_RELEASE_RP)), AssociationEnded),
        (lambda wire: wire.send(REJECT), Rejected),
    ],
)
def test_no_association(script: Script, ended: type[AssociationEnded]) -> None:
    with peer(script) as port, pytest.raises(ended):
        open_association(destination(port, _patience(ended)), WANTED)


def _patience(ended: type[AssociationEnded]) -> float:
    """Seconds: few only where they are to pass, as a machine may be slow for a moment."""
    return 0.3 if ended is TimedOut else 60.0


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it does not answer in DICOM"),
        (abort(0), "it aborted"),
        (REJECT, "called AE title not recognised"),
        (b"", "closed by the peer"),
    ],
)
def test_no_association_is_explained(sent: bytes, words: str) -> None:
    """These words go to who asked for the C-MOVE."""
    with peer(lambda wire: wire.send(sent)) as port, pytest.raises(AssociationEnded) as ended:
        open_association(destination(port, 60.0), WANTED)
    assert str(ended.value) == words


def test_a_peer_that_says_nothing_is_explained() -> None:
    with peer(silent) as port, pytest.raises(TimedOut) as late:
        open_association(destination(port, 0.1), WANTED)
    assert str(late.value) == "no answer in time"


def then(*sent: bytes) -> Script:
    def script(wire: Wire) -> None:
        wire.send(ACCEPT)
        wire.pdu()
        wire.send(*sent)
        if not sent:
            silent(wire)

    return script


@pytest.mark.parametrize(
    ("script", "ended"),
    [
        (then(), TimedOut),
        (then(abort(0)), Aborted),
        (then(b"garbage"), Violation),
        (then(*Wire.encoded(1, echo_command())), Violation),
        (then(b""), ConnectionLost),
    ],
)
def test_no_answer(script: Script, ended: type[AssociationEnded]) -> None:
    wanted = [ProposedContext(1, VERIFICATION, (EXPLICIT,))]
    with (
        peer(script) as port,
        pytest.raises(ended),
        open_association(destination(port), wanted) as association,
    ):
        association._timeout = _patience(ended)
        association.echo()


def test_a_peer_that_takes_nothing_is_not_waited_for_once_it_is_too_late() -> None:
    late = threading.Event()

    def unless_late() -> None:
        if late.is_set():
            raise TimedOut

    def script(wire: Wire) -> None:
        wire.send(ACCEPT)
        wire.pdu()
        late.set()
        with suppress(ConnectionResetError, EOFError):
            assert wire.socket.recv(1, socket.MSG_PEEK)
            while wire.pdu():
                pass

    wanted = [ProposedContext(1, CT_IMAGE_STORAGE, (EXPLICIT,))]
    with (
        peer(script) as port,
        pytest.raises(TimedOut),
        open_association(destination(port, 600.0), wanted, unless_late) as association,
    ):
        [context] = association.contexts
        for _ in range(1 << 10):
            association.store(context, instance(bytes(1 << 20)))


def test_a_peer_that_does_not_answer_a_release_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asked for a C-MOVE could ask nothing else for as long as its destination may take to answer."""
    monkeypatch.setattr(client, "RELEASE_PATIENCE", 0.2)

    def script(wire: Wire) -> None:
        wire.send(ACCEPT)
        assert wire.pdu()[0] == PduType.A_RELEASE_RQ
        assert wire.pdu()[0] == PduType.A_ABORT

    with peer(script) as port:
        open_association(destination(port, 3600.0), WANTED).release()


def test_a_peer_that_sends_data_instead_is_left_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each PDU of it gave it as much time again."""
    monkeypatch.setattr(client, "RELEASE_PATIENCE", 0.2)

    def script(wire: Wire) -> None:
        wire.send(ACCEPT)
        assert wire.pdu()[0] == PduType.A_RELEASE_RQ
        data = b"".join(Wire.encoded(1, echo_command()))
        with suppress(OSError):
            while True:
                wire.send(data)

    with peer(script) as port:
        open_association(destination(port), WANTED).release()
