"""A stored instance as a DICOM file with preamble and File Meta Information (PS3.10 §7).

A blob that is such a file is sent as it is. One that was received without preamble or meta
information is stored unchanged and gets the missing header when it is sent.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from pacs.archive import Archive
from pacs.dicom.part10 import HEAD, PREAMBLE, PREFIX, TRANSFER_SYNTAX, part10_prefix, read_part10
from pacs.dicom.source import BytesSource
from pacs.errors import Damaged
from pacs.model import StoredInstance

_BEFORE_META = len(PREAMBLE) + len(PREFIX)
_MOST_OPTIONAL = 170
"""Bytes of group length, version, implementation and source AE title. When the data set begins later than
these and the required UIDs could end, a preamble comes before them, which spares reading the file."""


@dataclass(frozen=True, slots=True)
class Part10File:
    """The file is `header`, then the blob's bytes from `start` on."""

    instance: StoredInstance
    header: bytes = b""
    start: int = 0

    @property
    def size(self) -> int:
        return len(self.header) + self.instance.blob.size - self.start

    def pieces(self, archive: Archive) -> Generator[bytes, None, None]:
        """The file's bytes, verified as `BlobReader.verified` describes."""
        with archive.open(self.instance) as reader:
            pieces = iter(reader.verified(self.start))
            yield self.header + next(pieces, b"")
            yield from pieces

    def part(self, archive: Archive, start: int, stop: int) -> Generator[bytes, None, None]:
        """The bytes from `start` up to `stop`: less than all are verified by `BlobReader.verify`."""
        if (start, stop) == (0, self.size):
            yield from self.pieces(archive)
            return
        with archive.open(self.instance) as reader:
            reader.verify()
            if start < len(self.header):
                yield self.header[start:stop]
            shift = self.start - len(self.header)
            yield from reader.chunks(max(start, len(self.header)) + shift, stop + shift)


def part10_file(archive: Archive, instance: StoredInstance) -> Part10File:
    if _surely_whole(instance) or _is_whole(archive, instance):
        return Part10File(instance)
    uids = instance.identity
    header = part10_prefix(uids.sop_class_uid, uids.sop_instance_uid, instance.transfer_syntax)
    return Part10File(instance, header, instance.dataset_offset)


def _surely_whole(instance: StoredInstance) -> bool:
    uids = instance.identity
    named = uids.sop_class_uid, uids.sop_instance_uid, instance.transfer_syntax
    required = sum(8 + len(uid) + len(uid) % 2 for uid in named)
    return _MOST_OPTIONAL < instance.dataset_offset - required < 2 * _MOST_OPTIONAL


def _is_whole(archive: Archive, instance: StoredInstance) -> bool:
    if instance.dataset_offset <= _BEFORE_META:
        return False
    try:
        with archive.open(instance) as reader:
            head = reader.read_at(0, min(HEAD, instance.dataset_offset + 8))
    except Damaged:  # reported when the file is read
        return True
    part10 = read_part10(BytesSource(head), archive.limits)
    return part10.has_preamble and TRANSFER_SYNTAX in part10.meta
