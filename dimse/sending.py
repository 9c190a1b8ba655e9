"""One stored instance as a C-STORE: as its bytes lie there, or converted without loss.

The bytes are checked against their address before the last of them goes out, so damage on disk
becomes a failed sub-operation, not wrong pixels.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from dimse.command import Command
from dimse.negotiation import Context
from dimse.operation import OutgoingInstance
from dimse.suboperations import RetrieveArchive
from pacs.dicom.choice import AsStored, Impossible, choose
from pacs.dicom.convert import Decode, convert
from pacs.dicom.encoding import UNCOMPRESSED
from pacs.dicom.reader import DEFAULT, Limits, read_header
from pacs.dicom.source import CHUNK, IN_MEMORY, ReadAhead
from pacs.errors import NotConvertible
from pacs.model import StoredInstance
from pacs.ports import BlobReader

Store = Callable[[Context, OutgoingInstance], Command]


@dataclass(frozen=True, slots=True)
class Codecs:
    """Which compressed transfer syntaxes are decoded here, and by what."""

    decodable: Collection[str]
    decode: Decode


@dataclass(frozen=True, slots=True)
class Sending:
    archive: RetrieveArchive
    codecs: Codecs
    limits: Limits = DEFAULT
    """Of what was taken in, and is read again when it has to be converted."""

    def send(self, instance: StoredInstance, contexts: Iterable[Context], store: Store) -> Command:
        """`contexts`: those that the peer accepted for the instance's SOP class.

        `NotConvertible` when none of them can carry it; `Damaged` when it is no longer what was stored.
        """
        by_syntax = {context.transfer_syntax: context for context in contexts}
        choice = choose(instance.transfer_syntax, by_syntax, self.codecs.decodable)
        if isinstance(choice, Impossible):
            raise NotConvertible(choice.reason)
        with self.archive.open(instance) as reader:
            if isinstance(choice, AsStored):
                chunks: Iterable[bytes] = reader.verified(instance.dataset_offset)
            else:
                chunks = self._converted(instance, reader, choice.transfer_syntax)
            uids = instance.identity
            outgoing = OutgoingInstance(uids.sop_class_uid, uids.sop_instance_uid, chunks)
            return store(by_syntax[choice.transfer_syntax], outgoing)

    def _converted(self, instance: StoredInstance, reader: BlobReader, target: str) -> Iterable[bytes]:
        deque(reader.verified(), maxlen=0)
        header = read_header(
            ReadAhead(reader), instance.transfer_syntax, instance.dataset_offset, self.limits
        )
        pieces = convert(header, target, self.codecs.decode)
        return pieces if instance.transfer_syntax in UNCOMPRESSED else _spooled(pieces)


def _spooled(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """All pieces made before the first is handed out: a frame may turn out not to decode."""
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
        for piece in pieces:
            file.write(piece)
        file.seek(0)
        while chunk := file.read(CHUNK):
            yield chunk
