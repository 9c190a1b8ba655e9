"""TLS as the settings ask for it: of version 1.2 at least (PS3.15 Annex B.12), with whom we trust."""

from __future__ import annotations

import ssl
from pathlib import Path

from config.settings import Settings
from config.sources import BadSettings


def accepting(settings: Settings) -> ssl.SSLContext | None:
    """For those who call us; None without a certificate of our own."""
    if settings.tls_certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if settings.tls_client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return _equipped(context, settings)


def calling(settings: Settings) -> ssl.SSLContext | None:
    """For those whom we call: this machine's authorities are trusted too. None: they alone."""
    if settings.tls_certificate is None and settings.tls_client_ca is None:
        return None
    return _equipped(ssl.create_default_context(), settings)


def _equipped(context: ssl.SSLContext, settings: Settings) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.tls_certificate is not None:
        try:
            context.load_cert_chain(settings.tls_certificate, settings.tls_key, password="")
        except (OSError, ValueError) as error:
            raise _bad(error, "PACS_TLS_CERTIFICATE, PACS_TLS_KEY", settings.tls_certificate) from error
    if settings.tls_client_ca is not None:
        try:
            context.load_verify_locations(settings.tls_client_ca)
        except OSError as error:
            raise _bad(error, "PACS_TLS_CLIENT_CA", settings.tls_client_ca) from error
    return context


def _bad(error: Exception, setting: str, path: Path) -> BadSettings:
    reason = (error.strerror if isinstance(error, OSError) else "") or str(error)
    return BadSettings([f"{setting}: {path} cannot be used: {reason}"])
