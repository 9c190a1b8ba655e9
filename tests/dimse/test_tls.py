"""The same edge behind TLS (PS3.15 Annex B): our client to our server."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from dimse.client import Destination, open_association, proposals
from dimse.ended import AssociationEnded
from dimse.operation import OutgoingInstance
from dimse.settings import DimseSettings
from dimse.sop_classes import VERIFICATION
from tests.dimse.world import CT_IMAGE_STORAGE, EXPLICIT, IMPLICIT, running

REQUEST = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
)
DATA_SET = bytes(range(256)) * 20_000
WANTED = proposals([(VERIFICATION, [IMPLICIT]), (CT_IMAGE_STORAGE, [EXPLICIT])])

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is not here to make a certificate: install the package"
)


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
