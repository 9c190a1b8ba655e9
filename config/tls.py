"""TLS contexts from the settings: version 1.2 at least (PS3.15 Annex B.12), and the trusted authorities.

Certificates are renewed every few weeks, and a restart would end all connections. So their files are
checked when a connection begins; existing connections keep the context that they began with.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import structlog

from config.settings import Settings
from config.sources import BadSettings

log = structlog.get_logger(__name__)

CHECK_EVERY = 10.0
"""Seconds between two checks of the files."""

Make = Callable[[], ssl.SSLContext]


class ReloadingContext(ssl.SSLContext):
    """Delegates to the context that `make` last loaded from its files; a context in use is never changed.

    Unusable files are ignored until they change again; perhaps only one of two has been renewed so far.
    """

    def __new__(cls, make: Make, files: Iterable[Path]) -> Self:
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, make: Make, files: Iterable[Path]) -> None:
        self._make = make
        self._files = tuple(files)
        self._lock = threading.Lock()
        self._loaded_versions = self._file_versions()
        self._next_check = time.monotonic() + CHECK_EVERY
        self._context = make()

    def wrap_socket(self, *given: Any, **named: Any) -> ssl.SSLSocket:
        return self._current().wrap_socket(*given, **named)

    def wrap_bio(self, *given: Any, **named: Any) -> ssl.SSLObject:
        return self._current().wrap_bio(*given, **named)

    def _current(self) -> ssl.SSLContext:
        with self._lock:
            if time.monotonic() >= self._next_check:
                self._next_check = time.monotonic() + CHECK_EVERY
                self._read_again()
            return self._context

    def _read_again(self) -> None:
        seen = self._file_versions()
        if seen == self._loaded_versions:
            return
        self._loaded_versions = seen
        try:
            self._context = self._make()
            log.info("renewed certificates loaded")
        except BadSettings as error:
            log.error("renewed certificates cannot be used", reason=str(error))

    def _file_versions(self) -> tuple[object, ...]:
        return tuple(map(_version, self._files))


def _version(file: Path) -> object:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def accepting(settings: Settings) -> ssl.SSLContext | None:
    """For incoming associations; None without a certificate."""
    if settings.tls_certificate is None:
        return None

    def make() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if settings.tls_client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        return _trusting(_equipped(context, settings), settings)

    return ReloadingContext(make, _files(settings))


def web(settings: Settings) -> ssl.SSLContext | None:
    """For HTTP, without client certificates, as users sign in. None when HTTP is served without TLS."""
    if not settings.http_tls:
        return None
    return ReloadingContext(
        lambda: _equipped(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), settings), _files(settings)
    )


def calling(settings: Settings) -> ssl.SSLContext | None:
    """For outgoing associations; this machine's authorities are trusted too. None: nothing else is."""
    if settings.tls_certificate is None and settings.tls_client_ca is None:
        return None

    def make() -> ssl.SSLContext:
        return _trusting(_equipped(ssl.create_default_context(), settings), settings)

    return ReloadingContext(make, _files(settings))


def _files(settings: Settings) -> list[Path]:
    named = (settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
    return [path for path in named if path is not None]


def _equipped(context: ssl.SSLContext, settings: Settings) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.tls_certificate is not None:
        try:
            context.load_cert_chain(settings.tls_certificate, settings.tls_key, password="")
        except (OSError, ValueError) as error:
            raise _bad(error, "PACS_TLS_CERTIFICATE, PACS_TLS_KEY", settings.tls_certificate) from error
    return context


def _trusting(context: ssl.SSLContext, settings: Settings) -> ssl.SSLContext:
    if settings.tls_client_ca is not None:
        try:
            context.load_verify_locations(settings.tls_client_ca)
        except OSError as error:
            raise _bad(error, "PACS_TLS_CLIENT_CA", settings.tls_client_ca) from error
    return context


def _bad(error: Exception, setting: str, path: Path) -> BadSettings:
    reason = (error.strerror if isinstance(error, OSError) else "") or str(error)
    return BadSettings([f"{setting}: {path} cannot be used: {reason}"])
