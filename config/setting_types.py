"""The types of settings: each reads the text that a user writes, and says what would be right if it is wrong.

A check raises `ValueError` with the rest of a sentence that begins with the setting's name.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from config.address import Address
from pacs.network import is_loopback

_WEAK = "admin changeme change-me default lightbox minioadmin pacs password postgres root secret test"
_WEAK_PASSWORDS = frozenset(_WEAK.split())
_AE_TITLE = re.compile(r"(?! )[ -\[\]-~]{1,16}(?<! )")  # PS3.5 §6.2: no backslash, no control characters


def ae_title(text: str) -> str:
    if not _AE_TITLE.fullmatch(text):
        raise ValueError("must be 1 to 16 characters without backslash, control or leading space")
    return text


def is_weak_key(key: str) -> bool:
    """Whether others could find the key, and sign with it."""
    return len(key) < 32 or len(set(key)) < 10


def is_weak_password(password: str) -> bool:
    return password.lower() in _WEAK_PASSWORDS


def _address(value: Any) -> Any:
    return Address.parse(value) if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(each.strip() for each in value.split(",") if each.strip())


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    try:
        for network in value:
            ipaddress.ip_network(network, strict=False)
    except ValueError:
        raise ValueError("must be IP addresses or networks such as 10.0.0.0/8") from None
    return value


def _origins(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(re.fullmatch(r"https?://[a-z0-9.-]+(:[0-9]+)?", each) for each in value):
        raise ValueError("must be origins such as https://viewer.example, in lower case, without a path")
    return value


def _web_url(value: str) -> str:
    if not re.match(r"https?://[^/\s]+", value):
        raise ValueError("must begin with http:// or https://")
    return value


def _blobs_url(value: str) -> str:
    if not re.match(r"s3://[^/]+|file:///.", value):
        raise ValueError("must begin with s3://BUCKET or file:///")
    return value


def _database_url(value: SecretStr) -> SecretStr:
    url = urlsplit(value.get_secret_value())
    if url.scheme not in ("sqlite", "postgresql", "postgresql+psycopg"):
        raise ValueError("must begin with sqlite:/// or postgresql+psycopg://")
    try:
        _ = url.port
    except ValueError:
        raise ValueError("has a port that is not a number up to 65535") from None
    remote = url.hostname and not is_loopback(url.hostname)
    if remote and url.password and is_weak_password(url.password):
        raise ValueError("has a password that is easy to guess; choose another")
    return value


def _secret_key(value: SecretStr) -> SecretStr:
    if is_weak_key(value.get_secret_value()):
        raise ValueError("is too weak; leave it out, or make one with `openssl rand -hex 32`")
    return value


def _time_zone(value: str) -> str:
    known = available_timezones()  # none without tzdata
    if known and value not in known:
        raise ValueError("must be a zone of the IANA database, such as Europe/Berlin")
    return value


AeTitle = Annotated[str, AfterValidator(ae_title)]
BlobsUrl = Annotated[str, AfterValidator(_blobs_url)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
Lifetime = Annotated[int, Field(ge=0, le=31_536_000)]
ListenAddress = Annotated[Address, BeforeValidator(_address)]
Networks = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_networks)]
Origins = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_origins)]
Processes = Annotated[int, Field(ge=1, le=64)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
SecretKey = Annotated[SecretStr, AfterValidator(_secret_key)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
