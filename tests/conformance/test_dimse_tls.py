"""DICOM behind TLS (PS3.15 Annex B.12) between a started server and DCMTK's tools."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pydicom.data import get_testdata_file

from tests.conformance.server import PATIENCE, Server, free_port
from tests.programs import needs
from tests.waiting import eventually

REQUEST = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -addext subjectAltName=IP:127.0.0.1,DNS:localhost"
)
CT = str(get_testdata_file("CT_small.dcm"))

pytestmark = needs("storescu", "openssl")


@dataclass(frozen=True)
class Certificate:
    """Signed by itself: who trusts it, trusts it alone."""

    key: Path
    path: Path

    @classmethod
    def made(cls, folder: Path, name: str) -> Certificate:
        key, path = folder / f"{name}.key", folder / f"{name}.pem"
        subprocess.run(
            [*REQUEST.split(), "-subj", f"/CN={name}", "-keyout", key, "-out", path],
            check=True,
            capture_output=True,
        )
        return cls(key, path)


class SecuredWeb(Server):
    def __init__(self, data: Path, settings: dict[str, str], trusting: ssl.SSLContext) -> None:
        super().__init__(data, settings)
        self._trusting = trusting

    def ready(self) -> bool:
        try:
            url = f"https://127.0.0.1:{self.http_port}/health/ready"
            return httpx.get(url, verify=self._trusting).status_code == 200
        except httpx.TransportError:
            return False


@dataclass(frozen=True)
class Secured:
    server: Server
    port: int
    ours: Certificate
    theirs: Certificate

    def run(self, tool: str, *options: str | Path, port: int = 0) -> subprocess.CompletedProcess[str]:
        where = ("-aec", "PACS", "127.0.0.1", str(port or self.port))
        patience = ("-ta", f"{PATIENCE:g}", "-td", f"{PATIENCE:g}")
        return subprocess.run(
            [tool, *patience, *options, *where, *([CT] if tool == "storescu" else [])],
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )

    @property
    def anonymous(self) -> tuple[str | Path, ...]:
        return "+tla", "+cf", self.ours.path

    @property
    def known(self) -> tuple[str | Path, ...]:
        return "+tls", self.theirs.key, self.theirs.path, "+cf", self.ours.path


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Secured]]:
    started: list[Server] = []

    def begin(ask_for_certificates: bool) -> Secured:
        folder = tmp_path_factory.mktemp("tls")
        ours, theirs = Certificate.made(folder, "ours"), Certificate.made(folder, "theirs")
        port = free_port()
        settings = {
            "PACS_DIMSE_TLS": f"127.0.0.1:{port}",
            "PACS_TLS_CERTIFICATE": str(ours.path),
            "PACS_TLS_KEY": str(ours.key),
        }
        if ask_for_certificates:
            settings["PACS_TLS_CLIENT_CA"] = str(theirs.path)
        server = Server(folder / "data", settings)
        started.append(server)
        server.start()
        return Secured(server, port, ours, theirs)

    yield begin
    for server in started:
        server.stop()


@pytest.fixture(scope="module")
def secured(start: Callable[[bool], Secured]) -> Secured:
    return start(False)


@pytest.fixture(scope="module")
def guarded(start: Callable[[bool], Secured]) -> Secured:
    """It asks callers for a certificate."""
    return start(True)


def test_echo_and_store(secured: Secured) -> None:
    assert secured.run("echoscu", *secured.anonymous).returncode == 0
    stored = secured.run("storescu", *secured.anonymous)
    assert stored.returncode == 0, stored.stderr
    assert secured.server.sql("SELECT count(*) FROM instances") == "(1,)"


def test_both_ports_serve_one_archive(secured: Secured) -> None:
    assert secured.run("echoscu", port=secured.server.dimse_port).returncode == 0


def test_a_plain_peer_is_turned_away_and_the_next_is_served(secured: Secured) -> None:
    assert secured.run("echoscu").returncode != 0
    assert secured.run("echoscu", *secured.anonymous, port=secured.server.dimse_port).returncode != 0
    assert secured.run("echoscu", *secured.anonymous).returncode == 0


@pytest.mark.parametrize(
    ("version", "taken"),
    [
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_nothing_older_than_tls_1_2(secured: Secured, version: ssl.TLSVersion, taken: bool) -> None:
    context = ssl.create_default_context(cafile=str(secured.ours.path))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", secured.port)) as sock:
        if taken:
            with context.wrap_socket(sock, server_hostname="127.0.0.1") as wrapped:
                assert wrapped.version() == version.name.replace("_", ".")
        else:
            with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
                context.wrap_socket(sock, server_hostname="127.0.0.1")


def until_said(server: Server, reason: str) -> None:
    """A peer may know of its failure before the server writes of it."""
    eventually(f"the log says {reason}", lambda: reason in server.output())


def test_the_web_by_tls(tmp_path: Path) -> None:
    ours = Certificate.made(tmp_path, "ours")
    trusting = ssl.create_default_context(cafile=str(ours.path))
    settings = {"PACS_HTTP_TLS": "1", "PACS_TLS_CERTIFICATE": str(ours.path), "PACS_TLS_KEY": str(ours.key)}
    server = SecuredWeb(tmp_path / "data", settings, trusting)
    server.start()
    try:
        answer = httpx.get(f"https://127.0.0.1:{server.http_port}/health/live", verify=trusting)
        assert answer.status_code == 200
        assert "strict-transport-security" in answer.headers
        assert "healthy" in server.quick_command("health")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{server.url}/health/ready")
        until_said(server, "TLS: http request")
    finally:
        server.stop()


def test_a_certificate_is_asked_for_when_a_ca_is_set(guarded: Secured) -> None:
    assert guarded.run("echoscu", *guarded.anonymous).returncode != 0
    assert guarded.run("storescu", *guarded.anonymous).returncode != 0
    stranger = Certificate.made(guarded.server.data.parent, "stranger")
    unknown = ("+tls", stranger.key, stranger.path, "+cf", guarded.ours.path)
    assert guarded.run("echoscu", *unknown).returncode != 0
    until_said(guarded.server, "TLS: peer did not return a certificate")
    until_said(guarded.server, "TLS: self")
    stored = guarded.run("storescu", *guarded.known)
    assert stored.returncode == 0, stored.stderr


@contextmanager
def listening(received: Path, *options: str) -> Iterator[int]:
    """DCMTK's storescp; yields its port."""
    received.mkdir()
    port = free_port()
    listener = subprocess.Popen(
        ["storescp", *options, "+xa", "-od", str(received), str(port)], stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield port
    finally:
        listener.terminate()
        listener.wait()


@pytest.mark.parametrize("trusted", [True, False])
def test_moves_go_to_a_registered_peer_by_tls(guarded: Secured, tmp_path: Path, trusted: bool) -> None:
    """We show our certificate, and send to nobody whose own is not signed by a known authority."""
    assert guarded.run("storescu", *guarded.known).returncode == 0
    theirs = guarded.theirs if trusted else Certificate.made(tmp_path, "stranger")
    study = guarded.server.sql("SELECT study_instance_uid FROM studies").strip("(',)")
    options = ("+tls", str(theirs.key), str(theirs.path), "+cf", str(guarded.ours.path), "-rc")
    with listening(tmp_path / "received", *options) as port:
        title = f"TLS{port}"
        guarded.server.quick_command("ae", "add", title, "--host", "127.0.0.1", "--port", str(port), "--tls")
        listed = guarded.server.quick_command("ae", "list")
        assert f"127.0.0.1:{port} tls" in listed
        keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}")
        moved = guarded.run("movescu", "-d", "-S", "-aem", title, *keys, port=guarded.server.dimse_port)
    received = list((tmp_path / "received").iterdir())
    assert (moved.returncode == 0) is trusted
    assert ("no association: TLS: self" in moved.stderr) is not trusted
    assert len(received) == (1 if trusted else 0)
