"""One stored instance as a C-STORE: as its bytes lie there, or converted without loss.

The bytes are checked against their address before the last of them goes out, so damage on disk
becomes a failed sub-operation, not wrong pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dimse.command import Command
from dimse.negotiation import Context
from dimse.operation import OutgoingInstance
from dimse.suboperations import RetrieveArchive
from pacs.dicom.choice import AsStored, Impossible, choose
from pacs.errors import NotConvertible
from pacs.model import StoredInstance
from pacs.transcoding import Transcoder

Store = Callable[[Context, OutgoingInstance], Command]


@dataclass(frozen=True, slots=True)
class Sending:
    archive: RetrieveArchive
    transcoder: Transcoder

    def send(self, instance: StoredInstance, contexts: Iterable[Context], store: Store) -> Command:
        """`contexts`: those that the peer accepted for the instance's SOP class.

        `NotConvertible` when none of them can carry it; `Damaged` when it is no longer what was stored.
        """
        by_syntax = {context.transfer_syntax: context for context in contexts}
        choice = choose(instance.transfer_syntax, by_syntax, self.transcoder.codecs.decodable)
        if isinstance(choice, Impossible):
            raise NotConvertible(choice.reason)
        with self.archive.open(instance) as reader:
            if isinstance(choice, AsStored):
                chunks: Iterable[bytes] = reader.verified(instance.dataset_offset)
            else:
                chunks = self.transcoder.data_set(instance, reader, choice.transfer_syntax)
            uids = instance.identity
            outgoing = OutgoingInstance(uids.sop_class_uid, uids.sop_instance_uid, chunks)
            return store(by_syntax[choice.transfer_syntax], outgoing)
