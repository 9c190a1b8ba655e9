"""Sending one stored instance by C-STORE: as stored, or converted without loss.

The bytes are verified before the last of them is sent, so that damage on disk becomes a failed
sub-operation instead of wrong pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field

from dimse.ahead import READERS, Ahead, read_ahead
from dimse.command import Command
from dimse.negotiation import Context
from dimse.operation import OutgoingInstance
from dimse.suboperations import RetrieveArchive
from pacs.dicom.choice import AsStored, Impossible, choose
from pacs.errors import NotConvertible
from pacs.model import StoredInstance
from pacs.transcoding import Transcoder

Store = Callable[[Context, OutgoingInstance], Command]


def _readers() -> Executor:
    return ThreadPoolExecutor(READERS, "read-ahead")


@dataclass(frozen=True, slots=True)
class Sending:
    archive: RetrieveArchive
    transcoder: Transcoder
    readers: Executor = field(default_factory=_readers)

    def ahead(self, instances: Sequence[StoredInstance]) -> Generator[Ahead]:
        return read_ahead(instances, self.archive.open, self.readers)

    def send(
        self, instance: StoredInstance, data_set: bytes | None, contexts: Iterable[Context], store: Store
    ) -> Command:
        """`data_set`: as stored, if it was read ahead. `contexts`: those that the peer accepted for the
        instance's SOP class.

        `NotConvertible` when no accepted context can carry it; `Damaged` when its bytes are not as stored.
        """
        by_syntax = {context.transfer_syntax: context for context in contexts}
        choice = choose(instance.transfer_syntax, by_syntax, self.transcoder.codecs.decodable)
        if isinstance(choice, Impossible):
            raise NotConvertible(choice.reason)
        context, uids = by_syntax[choice.transfer_syntax], instance.identity

        def store_chunks(chunks: Iterable[bytes]) -> Command:
            return store(context, OutgoingInstance(uids.sop_class_uid, uids.sop_instance_uid, chunks))

        if isinstance(choice, AsStored) and data_set is not None:
            return store_chunks((data_set,))
        with self.archive.open(instance) as reader:
            if isinstance(choice, AsStored):
                return store_chunks(reader.verified(instance.dataset_offset))
            return store_chunks(self.transcoder.data_set(instance, reader, choice.transfer_syntax))
