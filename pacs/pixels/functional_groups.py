"""Where to find the attributes of one frame: in its own functional group, the shared one, the data set
(PS3.3 §C.7.6.16) or, last, Philips's private group, which may have the only window.
"""

from __future__ import annotations

from collections.abc import Iterator

from pacs.dicom.header import Header

_SHARED, _PER_FRAME = 0x52009229, 0x52009230
_PHILIPS_CREATOR = "Philips MR Imaging DD 005"
_PHILIPS_ELEMENT = 0x0F


def groups(header: Header, number: int) -> list[Header]:
    """The items that may hold macros of frame `number` (from 0), the nearest first."""
    found = (header.item(_PER_FRAME, number), header.item(_SHARED, 0))
    return [group for group in found if group is not None]


def holders(header: Header, number: int, macro: str) -> Iterator[Header]:
    """The data sets that may hold the attributes of `macro`, the nearest first."""
    near = groups(header, number)
    for group in near:
        if (item := group.item(macro, 0)) is not None:
            yield item
    yield header
    for group in near:
        if (item := _philips(group)) is not None:
            yield item


def _philips(group: Header) -> Header | None:
    for block in range(0x10, 0x100):
        creator = 0x20050000 | block
        if creator in group and group.trimmed(creator) == _PHILIPS_CREATOR:
            return group.item(0x20050000 | block << 8 | _PHILIPS_ELEMENT, 0)
    return None
