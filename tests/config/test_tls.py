"""Certificates that cannot be used are named with their setting, before anything is started."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from config import tls
from config.settings import Settings
from config.sources import BadSettings
from tests.programs import needs

needs_openssl = needs("openssl")


def given(**settings: Any) -> Settings:
    return Settings.model_validate(settings)


def test_without_a_certificate_there_is_no_tls() -> None:
    assert tls.accepting(given()) is None
    assert tls.calling(given()) is None


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
@pytest.mark.parametrize("setting", ["tls_certificate", "tls_client_ca"])
def test_a_bad_file_is_named(tmp_path: Path, setting: str, content: bytes | None) -> None:
    path = tmp_path / "file.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadSettings) as caught:
        tls.calling(given(**{setting: path}))
    (fault,) = caught.value.faults
    assert f"PACS_{setting.upper()}" in fault
    assert str(path) in fault


REQUEST = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -addext subjectAltName=IP:127.0.0.1"


def certify(folder: Path, name: str) -> Settings:
    """Write a certificate of that name, and say where it lies."""
    key, path = folder / "server.key", folder / "server.pem"
    subject = ["-subj", f"/CN={name}", "-keyout", str(key), "-out", str(path)]
    subprocess.run([*REQUEST.split(), *subject], check=True, capture_output=True)
    return given(tls_certificate=path, tls_key=key, http_tls=True)


def shown(context: ssl.SSLContext | None, trusted: bytes) -> bool:
    """Whether a caller who trusts that certificate alone is shown it."""
    assert context is not None
    client = ssl.create_default_context(cadata=trusted.decode())
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    caller = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    for _ in range(10):
        for side in (caller, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
    return caller.version() is not None


@needs_openssl
@pytest.mark.parametrize("purpose", [tls.accepting, tls.web])
def test_a_renewed_certificate_is_shown_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, purpose: Any
) -> None:
    monkeypatch.setattr(tls, "CHECK_EVERY", 0.0)
    settings = certify(tmp_path, "first")
    first = (tmp_path / "server.pem").read_bytes()
    context = purpose(settings)
    assert shown(context, first)
    certify(tmp_path, "second")
    second = (tmp_path / "server.pem").read_bytes()
    assert shown(context, second)
    assert not shown(context, first)
    key = (tmp_path / "server.key").read_bytes()
    (tmp_path / "server.key").write_bytes(b"half written")
    assert shown(context, second)
    (tmp_path / "server.pem").unlink()
    assert shown(context, second)
    (tmp_path / "server.pem").write_bytes(second)
    (tmp_path / "server.key").write_bytes(key)
    assert shown(context, second)


@needs_openssl
def test_the_files_are_not_looked_at_for_each_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "CHECK_EVERY", 3600.0)  # a busy machine may take ten seconds for a certificate
    settings = certify(tmp_path, "first")
    first = (tmp_path / "server.pem").read_bytes()
    context = tls.accepting(settings)
    certify(tmp_path, "second")
    assert shown(context, first)


@needs_openssl
def test_browsers_need_no_certificate_of_their_own(tmp_path: Path) -> None:
    settings = certify(tmp_path, "ours")
    trusting = settings.model_copy(update={"tls_client_ca": settings.tls_certificate})
    assert settings.tls_certificate is not None
    assert shown(tls.web(trusting), settings.tls_certificate.read_bytes())
