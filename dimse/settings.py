"""Limits and options of the DICOM listener; the defaults are those of `config.settings`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DimseSettings:
    """Times are in seconds."""

    max_length: int = 1 << 18
    """Bytes of a P-DATA-TF PDU that we announce and accept, and so of an active association's one buffer."""
    window: int = 32
    """Operations that a peer may have outstanding, when it asks (PS3.7 §D.3.3.3)."""
    max_associations: int = 500
    request_timeout: float = 30.0
    """ARTIM: from connecting until the whole A-ASSOCIATE-RQ is there."""
    idle_timeout: float = 600.0
    stall_timeout: float = 60.0
    """For each PDU within a message, and for the peer to take what we send."""
    unknown_storage_classes: bool = True
    """Accept unknown SOP classes as storage classes."""
