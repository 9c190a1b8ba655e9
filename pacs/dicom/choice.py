"""In which transfer syntax an object goes to a peer: as stored, else without loss, else not at all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pydicom.uid import UID

from pacs.dicom.encoding import UNCOMPRESSED


@dataclass(frozen=True, slots=True)
class AsStored:
    """The very bytes."""

    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Convert:
    """To one of `UNCOMPRESSED`; what a lossy syntax had lost before stays lost, nothing more."""

    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Impossible:
    reason: str


Choice = AsStored | Convert | Impossible


def choose(stored: str, accepted: Collection[str], decodable: Collection[str]) -> Choice:
    """`accepted`: what the peer takes for this SOP class; `decodable`: compressed syntaxes that we read.

    Nothing is ever compressed here, so a peer that takes compressed objects only gets only those.
    """
    if stored in accepted:
        return AsStored(stored)
    if not accepted:
        return Impossible("the peer does not take this SOP class")
    target = next((syntax for syntax in UNCOMPRESSED if syntax in accepted), None)
    if target is None:
        return Impossible(f"the peer takes neither {UID(stored).name} nor an uncompressed transfer syntax")
    if stored not in UNCOMPRESSED and stored not in decodable:
        return Impossible(f"the peer does not take {UID(stored).name}, which is not decoded here")
    return Convert(target)
