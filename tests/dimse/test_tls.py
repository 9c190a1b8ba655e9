"""The same edge behind TLS (PS3.15 Annex B): our client to our server."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from dimse.client import Destination, open_association, proposals
from dimse.connection import Connection
from dimse.ended import AssociationEnded, ConnectionLost, TimedOut
from dimse.operation import OutgoingInstance
from dimse.pdu import PduType, frame
from dimse.settings import DimseSettings
from dimse.sop_classes import VERIFICATION
from dimse.states import State
from dimse.upper_layer import Data, Event, Faulty, Role, UpperLayer
from tests.dimse.wire import Wire
from tests.dimse.world import CT_IMAGE_STORAGE, EXPLICIT, IMPLICIT, running
from tests.programs import needs

REQUEST = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
)
DATA_SET = bytes(range(256)) * 20_000
WANTED = proposals([(VERIFICATION, [IMPLICIT]), (CT_IMAGE_STORAGE, [EXPLICIT])])

pytestmark = needs("openssl")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Key and certificate for 127.0.0.1 in one file."""
    path = tmp_path / "peer.pem"
    subprocess.run(
        [*REQUEST.split(), "-keyout", tmp_path / "key.pem", "-out", path],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + (tmp_path / "key.pem").read_text())
    return path


def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_echo_and_store(certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    with running(tls=server_side(certificate)) as world:
        destination = Destination("127.0.0.1", world.port, "PACS", "US", tls=trusting)
        with open_association(destination, WANTED) as association:
            assert association.echo() == 0
            [context] = association.contexts_for(CT_IMAGE_STORAGE)
            instance = OutgoingInstance(CT_IMAGE_STORAGE, "1.2", [DATA_SET])
            assert association.store(context, instance).status == 0
    assert world.archive.kept[0].data_set == DATA_SET


def test_plain_peers_are_turned_away(certificate: Path) -> None:
    with running(tls=server_side(certificate)) as world, pytest.raises(AssociationEnded):
        open_association(Destination("127.0.0.1", world.port, "PACS", "US", timeout=60.0), WANTED)


def test_the_end_is_told_within_tls_too(certificate: Path) -> None:
    """RFC 8446 §6.1. Who is not told cannot tell the end from an attacker's cut, and some report an error."""
    trusting = ssl.create_default_context(cafile=str(certificate))
    with running(tls=server_side(certificate)) as world, Wire(world.port) as wire:
        wire.socket = trusting.wrap_socket(
            wire.socket, server_hostname=world.host, suppress_ragged_eofs=False
        )
        wire.associate()
        wire.release()
        assert wire.ended()


def test_a_handshake_that_is_half_open_counts_and_holds_up_no_end(certificate: Path) -> None:
    """It is one of the associations, as who does not ask for one on the plain port is."""
    settings = DimseSettings(request_timeout=3600.0)
    with (
        running(settings, tls=server_side(certificate)) as world,
        socket.create_connection((world.host, world.port)) as half_open,
    ):
        half_open.settimeout(60)
        while not world.server.associations:
            time.sleep(0.01)
        assert world.server.drain(30)
        assert half_open.recv(1) == b""


@contextmanager
def encrypted_pair(certificate: Path) -> Iterator[tuple[ssl.SSLSocket, ssl.SSLSocket]]:
    """Ours, the server's side, and the peer's."""
    trusting = ssl.create_default_context(cafile=str(certificate))
    ours, theirs = socket.socketpair()
    with ours, theirs, ThreadPoolExecutor(1) as meanwhile:
        shaken = meanwhile.submit(trusting.wrap_socket, theirs, server_hostname="127.0.0.1")
        with server_side(certificate).wrap_socket(ours, server_side=True) as server, shaken.result() as peer:
            yield server, peer


def test_what_comes_encrypted_is_never_read_as_it_is(certificate: Path) -> None:
    """`SSLSocket.shutdown` takes the encryption away first. Who was reading the last PDU of an object then
    read its rest encrypted, and stored that; and what was being sent left in the clear.
    """
    whole = frame(PduType.P_DATA_TF, b"\0\0\x40\2\1\2" + bytes(1 << 14))
    first, last = whole[:10_000], whole[10_000:]
    with encrypted_pair(certificate) as (ours, theirs):
        upper_layer = UpperLayer(Role.ACCEPTOR, 1 << 15)
        upper_layer.state = State.STA6
        connection = Connection(ours, upper_layer, 60.0)
        theirs.sendall(first)
        with pytest.raises(TimedOut):
            connection.next_event(0.1)
        theirs.sendall(last + frame(PduType.A_RELEASE_RQ))
        connection.cut()
        events: list[Event] = []
        with pytest.raises(ConnectionLost):
            while True:
                events.append(connection.next_event(60.0))
                assert not isinstance(events[-1], Faulty)
        data = [bytes(event.pdvs[0].data) for event in events if isinstance(event, Data)]
        assert data in ([], [bytes(1 << 14)])
        connection.close()
