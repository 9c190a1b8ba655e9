"""What the index stores of a data set: its identity and searchable attributes. A header in, values out."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

from pydicom.datadict import tag_for_keyword

from pacs.attributes import TABLE, Matching
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
_SENT = tuple(a for a in TABLE if not a.computed)
_TEXTS = tuple(
    (a.keyword, a.tag, MAX_PROSE if a.vr in _PROSE else MAX_TEXT)
    for a in _SENT
    if a.matching is not Matching.SEQUENCE
)
_SEQUENCES = tuple((a.keyword, a.tag) for a in _SENT if a.matching is Matching.SEQUENCE)


def is_uid(text: str) -> bool:
    """Digits and dots, at most 64 (PS3.5 §9.1). Leading zeros are tolerated: some senders write them."""
    return len(text) <= MAX_UID and _UID.fullmatch(text) is not None


def identity(header: Header, sop_class_uid: str = "", sop_instance_uid: str = "") -> Identity:
    """The instance's four UIDs. The two arguments are what the peer announced; empty when it did not.

    `MissingIdentity` when one is absent or malformed, `DataSetMismatch` when the data set
    contradicts the peer.
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
    """The attributes of `pacs.attributes.TABLE` that this data set has a value for."""
    found: dict[str, Any] = {}
    for keyword, tag, most in _TEXTS:
        text = header.text(tag)
        if text and (kept := text.replace("\x00", "")[:most]):
            found[keyword] = kept
    for keyword, tag in _SEQUENCES:
        if items := items_to_json(islice(header.each_item(tag), MAX_ITEMS)):
            found[keyword] = items
    return found
