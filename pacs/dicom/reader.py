"""Reading the elements of a data set: bounded in time and memory and without recursion, for any input."""

from __future__ import annotations

from pacs.dicom.dictionary import CODES
from pacs.dicom.header import Element, Header, index
from pacs.dicom.limits import DEFAULT, Limits
from pacs.dicom.listing import Listing
from pacs.dicom.source import InflatedSource, Source
from pacs.dicom.transfer_syntaxes import DEFLATED, EXPLICIT_BIG, IMPLICIT
from pacs.errors import InvalidDataSet

__all__ = ["DEFAULT", "Element", "Header", "Limits", "read_header"]


def read_header(source: Source, transfer_syntax: str, start: int = 0, limits: Limits = DEFAULT) -> Header:
    """List the data set that begins at `start` and ends with the source.

    If the first element contradicts the transfer syntax, the element is believed. `InvalidDataSet` when
    there are no elements, `LimitExceeded` beyond `limits`.
    """
    inflated = InflatedSource(source, start, limits) if transfer_syntax in DEFLATED else None
    if inflated is not None:
        source, start = inflated, 0
    implicit, big = _encoding(source.read_at(start, 8), transfer_syntax)
    listing = Listing(source, start, limits)
    listing.fill(implicit, big)
    listing.truncated = listing.truncated or (inflated is not None and inflated.truncated)
    entries = index(listing, 0, len(listing.keys))
    if not entries:
        raise InvalidDataSet("the data set has no elements")
    return Header(listing, entries, big, transfer_syntax, None)


def _encoding(head: bytes, transfer_syntax: str) -> tuple[bool, bool]:
    """(implicit VR, big endian) as the transfer syntax says, unless the first element contradicts it.

    Two letters where implicit VR has a length would mean a first element of 16 KiB or more, and no data
    set begins with one; nor does any begin with a group number whose lower byte is zero.
    """
    implicit = transfer_syntax in IMPLICIT
    big = transfer_syntax == EXPLICIT_BIG
    vr = head[4:6].decode("latin-1")
    if implicit:
        implicit = vr not in CODES
    elif len(vr) == 2:
        implicit = not (vr.isascii() and vr.isalpha() and vr.isupper())
    if not implicit and vr in CODES:
        if head[0] == 0 and 0 < head[1] <= 0x40:
            big = True
        elif head[1] == 0 and 0 < head[0] <= 0x40:
            big = False
    return implicit, big
