"""Objects that are lost or damaged, among several that are retrieved: the others are sent all the same.

What is known to be lost before the answer begins is left out of it, which a 206 and a Warning say (PS3.18
§10.4.3.1). What proves damaged later is replaced by a note, as long as the object where the length of the
body was announced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

import structlog

from dicomweb.multipart import Part, PartHead
from pacs.archive import Archive
from pacs.errors import Damaged
from pacs.model import StoredInstance

log = structlog.get_logger(__name__)

LOST = "their bytes are missing from the archive"

_TEXT = "text/plain; charset=utf-8"
_PIECE = 64 << 10


def readable(archive: Archive, found: Iterable[StoredInstance]) -> tuple[list[StoredInstance], int]:
    """The instances whose bytes are there, and how many are lost. Where all of them are, they are returned:
    reading them is an error. In a store that is far away, a loss shows only when its turn comes."""
    instances = list(found)
    if not archive.blobs.near:
        return instances, 0
    lost = {each.address for each in archive.blobs.missing(each.blob for each in instances)}
    here = [each for each in instances if each.blob.address not in lost]
    if not here or not lost:
        return instances, 0
    with suppress(Damaged), archive.blobs.open(min(lost)):  # `WrongStore` when it is another store
        pass
    for each in instances:
        if each.blob.address in lost:
            report(each, LOST)
    return here, len(instances) - len(here)


def report(instance: StoredInstance, reason: object) -> None:
    uid = instance.identity.sop_instance_uid
    log.error("a stored object cannot be read", sop_instance_uid=uid, reason=str(reason))


def note(instance: StoredInstance) -> bytes:
    uid = instance.identity.sop_instance_uid
    return f"This object is damaged in the archive and missing here. SOP Instance UID: {uid}\r\n".encode()


def replaced(head: PartHead, text: bytes) -> Part:
    """In place of the part with this head."""
    if head.size is None:
        return PartHead(_TEXT, len(text), head.location), (text,)
    told = PartHead(_TEXT, None, head.location)
    return told, filled(text, len(head.encoded("")) + head.size - len(told.encoded("")))


def filled(text: bytes, size: int) -> Iterator[bytes]:
    """`size` bytes: the text, and spaces after it."""
    yield text[:size]
    for at in range(len(text), size, _PIECE):
        yield b" " * min(_PIECE, size - at)
