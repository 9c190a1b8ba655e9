"""Every setting: its name, default, bounds and meaning, in one table.

`config.sources` fills it; README's table, `.env.example` and `pacs config show` are made from it.
The environment's name of a field is `PACS_` and the field's name in capitals. `config.setting_types` checks
each value; what depends on several is checked here, by the field that comes last.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from config.address import Address
from config.setting_types import (
    AeTitle,
    BlobsUrl,
    DatabaseUrl,
    Lifetime,
    ListenAddress,
    Networks,
    Origins,
    Processes,
    Seconds,
    SecretKey,
    TimeZone,
    WebUrl,
    is_weak_password,
)

PREFIX = "PACS_"

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


class Settings(BaseModel):
    """The settings of one installation."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    data_dir: Path = Field(
        Path("data"), description="Folder of the database, the stored objects and temporary files"
    )
    http: ListenAddress = Field(Address("127.0.0.1", 8080), description="Where HTTP listens, HOST:PORT")
    dimse: ListenAddress = Field(Address("127.0.0.1", 11112), description="Where DICOM listens, HOST:PORT")
    tls_certificate: Path | None = Field(
        None, description="PEM file of this server's certificate, with the intermediate ones"
    )
    tls_key: Path | None = Field(
        None, description="PEM file of the certificate's key; not needed when the certificate's file has it"
    )
    tls_client_ca: Path | None = Field(
        None,
        description="PEM file of authorities that sign DICOM peers' certificates: a peer that calls by TLS "
        "must present one, and they are trusted when this archive calls a peer",
    )
    dimse_tls: ListenAddress | None = Field(
        None, description="Where DICOM listens with TLS, HOST:PORT, usually port 2762; off if absent"
    )
    http_tls: bool = Field(False, description="Serve HTTPS only, with the same certificate")
    ae_title: AeTitle = Field("PACS", description="This archive's AE title")
    any_called_title: bool = Field(False, description="Accept associations to any called AE title")
    database_url: DatabaseUrl | None = Field(
        None,
        description="`postgresql+psycopg://…` or `sqlite:///…`; a SQLite file in the data folder if absent",
    )
    blobs_url: BlobsUrl | None = Field(
        None, description="`s3://bucket/prefix` or `file:///…`; a folder in the data folder if absent"
    )
    s3_endpoint: WebUrl | None = Field(None, description="URL of an S3-compatible store other than AWS")
    s3_public_endpoint: WebUrl | None = Field(
        None,
        description="The store's URL for others; given, signed links of images lead to the store itself, and "
        "work until they expire even if the image is deleted meanwhile",
    )
    s3_region: str = Field("us-east-1", description="Region of the S3 store")
    s3_access_key: SecretStr | None = Field(None, description="Access key of the S3 store")
    s3_secret_key: SecretStr | None = Field(
        None, description="Secret key of the S3 store", validate_default=True
    )
    secret_key: SecretKey | None = Field(
        None,
        description="Key that signs tokens, at least 32 characters; generated in the data folder if absent. "
        "All nodes of one archive need the same",
    )
    base_url: WebUrl | None = Field(None, description="Public URL of this server, when behind a proxy")
    trusted_proxies: Networks = Field(
        ("127.0.0.0/8", "::1/128"),
        description="Proxies whose `Forwarded` and `X-Forwarded-*` headers are trusted: IP addresses or "
        "networks, separated by commas",
    )
    time_zone: TimeZone | None = Field(
        None,
        description="Zone in which the pages show the server's times, such as `Europe/Berlin`; "
        "the reader's own if absent",
    )
    ohif_dir: Path = Field(
        Path("ohif"),
        description="Folder of OHIF's static build, which `make viewer` downloads; served if it exists",
    )
    open: bool = Field(
        False, description="No authentication at all; allowed only when everything listens on loopback"
    )
    cors_origins: Origins = Field(
        (),
        description="Origins of other sites whose pages may call this server (CORS), such as "
        "`https://viewer.example`, separated by commas",
    )
    frame_origins: Origins = Field(
        (),
        description="Origins of other sites that may embed these pages in a frame, such as "
        "`https://ris.example`, separated by commas",
    )
    session_lifetime: Annotated[float, Field(ge=60, le=31_536_000)] = Field(
        43_200, description="Seconds after which a user must sign in again"
    )
    processes_dimse: Processes = Field(
        min(2, os.cpu_count() or 1), description="DICOM processes; by default one per core, at most 2"
    )
    processes_http: Processes = Field(
        min(2, os.cpu_count() or 1), description="HTTP processes; by default one per core, at most 2"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level logged")
    log_format: Literal["console", "json"] = Field(
        "console", description="`console` for people, `json` for machines"
    )
    drain_timeout: Annotated[float, Field(ge=0, le=300)] = Field(
        25, description="Seconds that running work gets to finish at shutdown"
    )
    private_sop_classes: bool = Field(True, description="Store objects of private SOP classes too")
    max_object_size: ByteSize = Field(ByteSize(16 * GIB), description="Largest object accepted", gt=0)
    max_depth: int = Field(128, ge=1, le=200, description="Deepest nesting of sequences accepted")
    max_elements: int = Field(
        4_000_000,
        ge=100_000,
        le=100_000_000,
        description="Most elements of one object, and of all large ones that a process reads at a time; each "
        "takes 24 bytes of memory",
    )
    max_inflated: ByteSize = Field(
        ByteSize(4 * GIB), description="Largest deflated data set accepted, in bytes once inflated", gt=0
    )
    max_inflate_ratio: int = Field(
        100, ge=1, le=1100, description="Highest compression ratio accepted of a large deflated data set"
    )
    max_pdu: ByteSize = Field(
        ByteSize(256 * KIB), description="Largest PDU that peers may send", ge=4 * KIB, le=MIB
    )
    max_associations: int = Field(
        500, ge=1, le=10_000, description="Concurrent associations of one DICOM process"
    )
    max_connections: int = Field(
        2000,
        ge=10,
        le=100_000,
        description="Concurrent connections of one HTTP process, at most half its limit of open files; "
        "further ones get 503, except for health checks",
    )
    max_event_streams: int = Field(
        500,
        ge=1,
        le=50_000,
        description="Concurrent event streams of one organisation in one HTTP process; all organisations "
        "together may use half of its connections",
    )
    max_find_answers: int = Field(
        10_000, ge=1, description="Most matches of one C-FIND; beyond them it ends with status A700"
    )
    max_qido_answers: int = Field(
        10_000, ge=1, le=100_000, description="Most matches in one page of QIDO-RS; a Warning tells of more"
    )
    qido_empty: Literal["list", "204"] = Field(
        "list", description="QIDO-RS answer when nothing matches: an empty list or 204 No Content"
    )
    pixel_processes: Processes = Field(
        min(4, os.cpu_count() or 1),
        description="Images that one process decodes or renders concurrently; by default one per core, "
        "at most 4",
    )
    pixel_timeout: Annotated[float, Field(ge=1, le=600)] = Field(
        20,
        description="Seconds of processor time that decoding or rendering an image may take; by the clock, "
        "twice as many",
    )
    pixel_memory: ByteSize = Field(
        ByteSize(GIB), description="Most memory that decoding or rendering an image may take", ge=64 * MIB
    )
    cache_size: ByteSize = Field(
        ByteSize(GIB), description="Size of the cache of rendered images in the data folder", ge=0
    )
    cache_thumbnails: Lifetime = Field(86_400, description="Seconds that thumbnails are cached")
    cache_previews: Lifetime = Field(7_200, description="Seconds that previews are cached")
    cache_full: Lifetime = Field(3_600, description="Seconds that other rendered images are cached")
    artim_timeout: Seconds = Field(30, description="Seconds that a peer gets to associate")
    idle_timeout: Seconds = Field(600, description="Seconds an association may be silent between messages")
    message_timeout: Seconds = Field(60, description="Seconds a peer may pause within a message")
    destination_timeout: Seconds = Field(
        30, description="Seconds that the destination of a C-MOVE gets to connect, and for each answer"
    )
    database_patience: Seconds = Field(15, description="Seconds to wait for an unavailable database")
    free_space_reserve: ByteSize = Field(
        ByteSize(256 * MIB), description="Free disk space below which nothing more is stored", ge=0
    )
    quiet_period: Seconds = Field(
        60, description="Seconds without a new object after which a study counts as complete"
    )
    job_lease: Annotated[float, Field(ge=1, le=3600)] = Field(
        60, description="Seconds after which a dead node's job is taken over"
    )
    retention_days: Annotated[float, Field(ge=0, le=36_500)] = Field(
        30, description="Days for which deleted objects can be restored"
    )
    history_days: Annotated[float, Field(ge=0, le=36_500)] = Field(
        30,
        description="Days for which finished uploads (failed ones with their files), purged deletions and "
        "the change feed (at least one) are kept; the audit trail is kept for ever",
    )
    audit_verify_every: Annotated[float, Field(ge=1, le=31_536_000)] = Field(
        86_400, description="Seconds between verifications of the audit trail"
    )
    sweep_grace: Seconds = Field(3600, description="Seconds that an unreferenced blob is kept")

    @field_validator("dimse_tls", "http_tls")
    @classmethod
    def _check_tls(cls, value: Any, info: ValidationInfo) -> Any:
        if value and info.data.get("tls_certificate") is None:
            raise ValueError("needs PACS_TLS_CERTIFICATE and PACS_TLS_KEY")
        return value

    @field_validator("s3_secret_key")
    @classmethod
    def _check_s3_secret(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (value is None) != (info.data.get("s3_access_key") is None):
            raise ValueError(
                "and PACS_S3_ACCESS_KEY must be set together; without both, AWS's own settings apply"
            )
        if value is not None and is_weak_password(value.get_secret_value()):
            raise ValueError("is easy to guess; choose another")
        return value

    @field_validator("open")
    @classmethod
    def _check_open(cls, value: bool, info: ValidationInfo) -> bool:
        addresses = [info.data.get(name) for name in ("http", "dimse", "dimse_tls")]
        if value and not all(address is None or address.is_loopback for address in addresses):
            raise ValueError("is refused unless HTTP and DIMSE all listen on loopback (127.0.0.1)")
        return value

    @property
    def resolved_database_url(self) -> str:
        """With the driver named, and the file in the data folder if no other database is set."""
        if self.database_url is None:
            return f"sqlite:///{self.data_dir / 'pacs.db'}"
        url = self.database_url.get_secret_value()
        return url.replace("postgresql://", "postgresql+psycopg://", 1)

    @property
    def database_file(self) -> Path | None:
        """None where the database is a server."""
        kind, _, path = self.resolved_database_url.partition(":///")
        return Path(path) if kind == "sqlite" else None


def environment_name(field: str) -> str:
    return PREFIX + field.upper()


def is_secret(field: str) -> bool:
    return "SecretStr" in str(Settings.model_fields[field].annotation)
