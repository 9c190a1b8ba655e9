"""From a data set's header to what the index holds of it. Pure: a header in, values out."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from typing import Any

from pydicom.datadict import tag_for_keyword

from pacs.attributes import TABLE, Attribute, Matching
from pacs.dicom.json import items_to_json
from pacs.dicom.reader import Header
from pacs.errors import DataSetMismatch, MissingIdentity
from pacs.model import Identity

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
MAX_UID = 64  # PS3.5 §9.1
MAX_TEXT = 512
"""Characters of one attribute that the index keeps: PostgreSQL takes at most 2,704 bytes in a
B-tree entry, and no VR that is searched may legally be longer than 64 characters a value."""
MAX_PROSE = 10_240  # LT, PS3.5 §6.2
MAX_ITEMS = 100
_PROSE = frozenset({"ST", "LT", "UT", "UC"})

_IDENTITY = tuple(
    tag_for_keyword(keyword) or 0
    for keyword in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
)
_READ = tuple(a for a in TABLE if not a.computed)


def is_uid(text: str) -> bool:
    """Digits and dots, at most 64 (PS3.5 §9.1); leading zeros are let pass, as senders have them."""
    return len(text) <= MAX_UID and _UID.fullmatch(text) is not None


def identity(header: Header, sop_class_uid: str = "", sop_instance_uid: str = "") -> Identity:
    """The instance's four UIDs; the two arguments are what the peer announced, if it did.

    `MissingIdentity` when one is absent or malformed, `DataSetMismatch` when the data set says
    otherwise than the peer.
    """
    found = [(header.text(tag) or "").split("\\")[0] for tag in _IDENTITY]
    for position, (announced, what) in enumerate(
        ((sop_class_uid, "SOP Class UID"), (sop_instance_uid, "SOP Instance UID"))
    ):
        if announced and found[position] and found[position] != announced:
            raise DataSetMismatch(f"{what} differs from the command's")
        found[position] = found[position] or announced
    names = ("SOP Class UID", "SOP Instance UID", "Series Instance UID", "Study Instance UID")
    for uid, name in zip(found, names, strict=True):
        if not is_uid(uid):
            raise MissingIdentity(f"{name} is missing or malformed")
    return Identity(*found)


def values(header: Header) -> dict[str, Any]:
    """What the attributes table wants of this data set; absent and empty ones are left out."""
    found: dict[str, Any] = {}
    for attribute in _READ:
        if attribute.tag not in header:
            continue
        value = _VALUE[attribute.matching is Matching.SEQUENCE](header, attribute)
        if value:
            found[attribute.keyword] = value
    return found


def _text(header: Header, attribute: Attribute) -> str:
    text = (header.text(attribute.tag) or "").replace("\x00", "")
    return text[: MAX_PROSE if attribute.vr in _PROSE else MAX_TEXT]


def _items(header: Header, attribute: Attribute) -> list[dict[str, Any]]:
    return items_to_json(islice(header.each_item(attribute.tag), MAX_ITEMS))


_VALUE: dict[bool, Callable[[Header, Attribute], Any]] = {False: _text, True: _items}
