"""Flags over environment over pacs.toml over defaults; every fault named at once, never its value."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from config.address import Address
from config.settings import Settings, environment_name
from config.sources import BadSettings, load, secret_key

STRONG = "0123456789abcdef0123456789abcdef"


def loaded(
    flags: dict[str, Any] | None = None,
    environ: dict[str, str] | None = None,
    toml: Path = Path("absent.toml"),
) -> Settings:
    return load(flags or {}, environ or {}, toml)[0]


def faults(
    flags: dict[str, Any] | None = None, environ: dict[str, str] | None = None, toml: Path | None = None
) -> str:
    with pytest.raises(BadSettings) as caught:
        load(flags or {}, environ or {}, toml or Path("absent.toml"))
    return str(caught.value)


def test_the_contract() -> None:
    settings = loaded()
    assert str(settings.http) == "127.0.0.1:8080"
    assert str(settings.dimse) == "127.0.0.1:11112"
    assert settings.ae_title == "PACS"
    assert settings.data_dir == Path("data").resolve()
    assert settings.resolved_database_url == f"sqlite:///{Path('data').resolve()}/pacs.db"
    assert {
        "PACS_DATA_DIR", "PACS_HTTP", "PACS_DIMSE", "PACS_AE_TITLE", "PACS_DATABASE_URL", "PACS_BLOBS_URL",
        "PACS_S3_ENDPOINT", "PACS_SECRET_KEY", "PACS_PROCESSES_DIMSE", "PACS_PROCESSES_HTTP",
        "PACS_LOG_LEVEL", "PACS_LOG_FORMAT", "PACS_BASE_URL", "PACS_OPEN",
    } <= {environment_name(field) for field in Settings.model_fields}  # fmt: skip


def test_each_source_yields_to_the_next(tmp_path: Path) -> None:
    toml = tmp_path / "pacs.toml"
    toml.write_text('ae_title = "FILE"\nlog_level = "debug"\nmax_object_size = "2 GiB"\nopen = true\n')
    environ = {"PACS_AE_TITLE": "ENVIRONMENT", "PACS_HTTP": "[::1]:0", "HOME": "/", "PACS_S3_ENDPOINT": ""}
    settings, origin = load({"ae_title": "FLAG", "http": None}, environ, toml)
    assert (settings.ae_title, settings.http, settings.log_level) == ("FLAG", Address("::1", 0), "debug")
    assert (settings.max_object_size, settings.open, settings.s3_endpoint) == (2 << 30, True, None)
    assert [origin[name] for name in ("ae_title", "http", "log_level", "dimse")] == [
        "flag", "environment", str(toml), "default"
    ]  # fmt: skip


def test_all_faults_at_once(tmp_path: Path) -> None:
    toml = tmp_path / "pacs.toml"
    toml.write_text("colour = 1\nmax_depth = 0\n")
    said = faults(
        {"http": "nowhere"},
        {
            "PACS_FOO": "1",
            "PACS_DIMSE": "0.0.0.0:99999",
            "PACS_LOG_LEVEL": "loud",
            "PACS_SECRET_KEY_FILE": "/no",
        },
        toml,
    )
    for name in ("colour", "PACS_MAX_DEPTH", "PACS_HTTP", "PACS_FOO", "PACS_DIMSE", "PACS_LOG_LEVEL"):
        assert name in said
    assert "PACS_SECRET_KEY_FILE" in said
    assert len(said.splitlines()) == 8


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("PACS_AE_TITLE", ""),
        ("PACS_AE_TITLE", "A" * 17),
        ("PACS_AE_TITLE", "A\\B"),
        ("PACS_AE_TITLE", "A\tB"),
        ("PACS_AE_TITLE", "  "),
        ("PACS_HTTP", "127.0.0.1"),
        ("PACS_HTTP", ":80"),
        ("PACS_PROCESSES_DIMSE", "0"),
        ("PACS_DATABASE_URL", "mysql://x/y"),
        ("PACS_BLOBS_URL", "/srv/blobs"),
        ("PACS_BASE_URL", "pacs.example"),
        ("PACS_MAX_OBJECT_SIZE", "2 quux"),
        ("PACS_MAX_PDU", "1"),
        ("PACS_MAX_PDU", "large"),
        ("PACS_MAX_DEPTH", "deep"),
        ("PACS_OPEN", "maybe"),
        ("PACS_DIMSE_TLS", "127.0.0.1:2762"),  # without a certificate
        ("PACS_HTTP_TLS", "1"),
    ],
)
def test_bad_values_are_named(key: str, value: str) -> None:
    flag = {key.removeprefix("PACS_").lower(): value}
    said = faults(flag)
    assert key in said
    assert len(said.splitlines()) == 2
    assert "quux" not in said and "Input" not in said and "parse" not in said


@pytest.mark.parametrize(
    "weak",
    [
        {"PACS_SECRET_KEY": "changeme"},
        {"PACS_SECRET_KEY": "a" * 64},
        {"PACS_S3_SECRET_KEY": "minioadmin"},
        {"PACS_DATABASE_URL": "postgresql+psycopg://pacs:postgres@db.example/pacs"},
    ],
)
def test_weak_secrets_are_refused_and_not_repeated(weak: dict[str, str]) -> None:
    ((key, value),) = weak.items()
    said = faults({}, weak)
    assert key in said
    assert value not in said


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(STRONG + "\n")
    settings = loaded({}, {"PACS_SECRET_KEY_FILE": str(file)})
    assert secret_key(settings) == STRONG
    assert STRONG not in repr(settings)
    assert "both set" in faults({}, {"PACS_SECRET_KEY_FILE": str(file), "PACS_SECRET_KEY": STRONG})
    assert "PACS_AE_TITLE_FILE" in faults({}, {"PACS_AE_TITLE_FILE": str(file)})


def test_a_secret_key_is_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    settings = loaded({"data_dir": tmp_path})
    key = secret_key(settings)
    assert len(key) == 64
    assert secret_key(settings) == key
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_a_secret_key_is_durable_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(Path(f"/dev/fd/{number}").read_text()))
    key = secret_key(loaded({"data_dir": tmp_path}))
    assert synced == [f"{key}\n"]


@pytest.mark.parametrize("left", [b"", b"\n", b"0123", bytes(64), b"\xff" * 8])
def test_a_damaged_secret_key_signs_nothing(tmp_path: Path, left: bytes) -> None:
    """A crash behind the first start could leave an empty one, which anybody knows."""
    (tmp_path / "secret_key").write_bytes(left)
    with pytest.raises(BadSettings, match="secret_key is damaged"):
        secret_key(loaded({"data_dir": tmp_path}))


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "localhost:0", "127.9.9.9:1"])
def test_open_is_for_loopback(address: str) -> None:
    assert loaded({"open": True, "http": address, "dimse": address}).open


@pytest.mark.parametrize("where", ["http", "dimse", "dimse_tls"])
@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "pacs.example:80", "10.0.0.1:80"])
def test_open_is_refused_elsewhere(where: str, address: str) -> None:
    said = faults({"open": True, "tls_certificate": "x.pem", where: address})
    assert said.splitlines()[1].strip().startswith("PACS_OPEN")


@pytest.mark.parametrize("text", ["127.0.0.1:8080", "[::1]:11112", "pacs.example:0"])
def test_addresses_read_back_as_they_were_typed(text: str) -> None:
    assert str(Address.parse(text)) == text
