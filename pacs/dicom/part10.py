"""The DICOM file format around a data set (PS3.10 §7): read as it occurs, written as it should be."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from pacs.dicom.dictionary import CODES, LONG_CODES, PUBLIC_CODES
from pacs.dicom.encoding import Encoding
from pacs.dicom.limits import DEFAULT, Limits
from pacs.dicom.source import Source
from pacs.dicom.transfer_syntaxes import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from pacs.errors import InvalidDataSet, LimitExceeded

PREAMBLE: Final = bytes(128)
PREFIX: Final = b"DICM"
IMPLEMENTATION_CLASS_UID: Final = "2.25.302871590371948822104837751164922385703"
IMPLEMENTATION_VERSION_NAME: Final = "LIGHTBOX_PACS"
MEDIA_STORAGE_DIRECTORY: Final = "1.2.840.10008.1.3.10"

SOP_CLASS, SOP_INSTANCE, TRANSFER_SYNTAX = 0x00020002, 0x00020003, 0x00020010
_ENCODING = Encoding()
_META_VERSION = _ENCODING.element(0x00020001, "OB", b"\0\1")
_WRITER = _ENCODING.element(0x00020012, "UI", IMPLEMENTATION_CLASS_UID.encode()) + _ENCODING.element(
    0x00020013, "SH", IMPLEMENTATION_VERSION_NAME.encode()
)
HEAD: Final = 1 << 20
"""Bytes within which the meta information must end; usually it has a few hundred."""
_MAX_VALUE = 1024
_FIRST_ELEMENTS = frozenset({0x0000, 0x0001, 0x0005, 0x0008, 0x0010, 0x0012, 0x0014, 0x0016})


@dataclass(frozen=True, slots=True)
class Part10:
    """`meta`: the File Meta Information as text by tag, without binary values."""

    transfer_syntax: str
    dataset_offset: int
    has_preamble: bool
    meta: MappingProxyType[int, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def media_storage_sop_class(self) -> str:
        return self.meta.get(SOP_CLASS, "")

    @property
    def media_storage_sop_instance(self) -> str:
        return self.meta.get(SOP_INSTANCE, "")

    @property
    def is_dicomdir(self) -> bool:
        """Whether this is the directory of a medium (PS3.3 Annex F), which is not an instance."""
        return self.media_storage_sop_class == MEDIA_STORAGE_DIRECTORY


def read_part10(source: Source, limits: Limits = DEFAULT) -> Part10:
    """Where the data set begins and how it is encoded. `InvalidDataSet` when the file is not DICOM.

    Only the beginning of the file is read, so `source` may be its first `HEAD` bytes.
    """
    head = source.read_at(0, min(HEAD, limits.header_bytes) + len(PREAMBLE) + len(PREFIX))
    has_preamble = head[128:132] == PREFIX and not _begins_data_set(head)
    start = 132 if has_preamble else 4 if head[:4] == PREFIX else 0
    meta, offset = _meta(head, start)
    declared = meta.get(TRANSFER_SYNTAX, "")
    if not declared:
        guessed = _guess(head[offset : offset + 8])
        if guessed is None and not has_preamble and not meta:
            raise InvalidDataSet("this is not a DICOM file")
        declared = guessed or IMPLICIT_LITTLE
    return Part10(declared, offset, has_preamble, MappingProxyType(meta))


def _begins_data_set(head: bytes) -> bool:
    """Whether this is a data set without preamble that happens to contain `DICM` at offset 128."""
    group, element = struct.unpack("<HH", head[:4])
    return group in (2, 8) and element in _FIRST_ELEMENTS and _guess(head[:8]) is not None


def _meta(head: bytes, start: int) -> tuple[dict[int, str], int]:
    """The elements of group 2 from `start` on, and where they end.

    The group length is not trusted: the group ends where another one begins. It should be Explicit VR
    Little Endian, but implicit VR occurs.
    """
    meta: dict[int, str] = {}
    pos = start
    while pos + 8 <= len(head):
        group, element, vr, length = struct.unpack_from("<HH2sH", head, pos)
        if group != 2:
            return meta, pos
        value = pos + 8
        if vr in LONG_CODES:
            length = int.from_bytes(head[pos + 8 : pos + 12], "little")
            value = pos + 12
        elif vr.decode("latin-1") not in CODES:
            length = int.from_bytes(head[pos + 4 : pos + 8], "little")
        if value + length > len(head):
            if len(head) > HEAD:
                raise LimitExceeded("the file meta information is too long")
            raise InvalidDataSet("the file ends within its meta information")
        if length <= _MAX_VALUE:
            text = head[value : value + length].decode("latin-1").strip(" \0")
            if text.isprintable() and vr not in (b"UL", b"OB"):
                meta[2 << 16 | element] = text
        pos = value + length
    return meta, pos


def _guess(head: bytes) -> str | None:
    """The transfer syntax of a data set without meta information, judged by its first element.

    None when it does not look like DICOM. A deflated data set cannot be recognised.
    """
    if len(head) < 8:
        return None
    little_group, little_element = struct.unpack("<HH", head[:4])
    big_group = int.from_bytes(head[:2], "big")
    if head[4:6].decode("latin-1") in CODES:
        return EXPLICIT_BIG if big_group < little_group else EXPLICIT_LITTLE
    known = little_group << 16 | little_element in PUBLIC_CODES or little_element == 0
    length = int.from_bytes(head[4:8], "little")
    plausible = 0 < little_group <= 0x40 and known and length < 1 << 16
    return IMPLICIT_LITTLE if plausible else None


def part10_prefix(sop_class_uid: str, sop_instance_uid: str, transfer_syntax: str) -> bytes:
    """Preamble and meta information for a data set received without them. Equal arguments give equal bytes.

    Nothing depends on the association (no AE titles, no time), so an object sent twice is the same file.
    """
    named = (SOP_CLASS, sop_class_uid), (SOP_INSTANCE, sop_instance_uid), (TRANSFER_SYNTAX, transfer_syntax)
    uids = b"".join(_ENCODING.element(tag, "UI", uid.encode("ascii")) for tag, uid in named)
    group = _META_VERSION + uids + _WRITER
    return PREAMBLE + PREFIX + _ENCODING.element(0x00020000, "UL", struct.pack("<L", len(group))) + group
