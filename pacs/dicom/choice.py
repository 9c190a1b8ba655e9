"""The transfer syntax in which an object is sent: as stored, else converted without loss, else not at all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pydicom.uid import UID

from pacs.dicom.encoding import UNCOMPRESSED


@dataclass(frozen=True, slots=True)
class AsStored:
    """The stored bytes, unchanged."""

    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Convert:
    """Conversion to one of `UNCOMPRESSED`, which loses nothing beyond what a lossy syntax lost before."""

    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Impossible:
    reason: str


Choice = AsStored | Convert | Impossible


def choose(stored: str, accepted: Collection[str], decodable: Collection[str]) -> Choice:
    """`accepted`: the peer's transfer syntaxes for this SOP class. `decodable`: those we can decompress.

    Objects are never compressed here, so a peer that accepts only compressed ones gets only those.
    """
    if stored in accepted:
        return AsStored(stored)
    if not accepted:
        return Impossible("the peer does not accept this SOP class")
    target = next((syntax for syntax in UNCOMPRESSED if syntax in accepted), None)
    if target is None:
        return Impossible(f"the peer accepts neither {UID(stored).name} nor an uncompressed transfer syntax")
    if stored not in UNCOMPRESSED and stored not in decodable:
        return Impossible(f"the peer does not accept {UID(stored).name}, which is not decoded here")
    return Convert(target)
