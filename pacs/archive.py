"""The archive: what can be done with objects, on behalf of an actor, whichever protocol asks.

Objects are received through `pacs.receiving`, searched for by a `Query`, and opened as blobs. Every search
takes the organisation from its actor, so none finds another's objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from pacs import ingest
from pacs.actor import Actor
from pacs.dicom.frames import FrameIndex
from pacs.dicom.part10 import part10_prefix
from pacs.dicom.reader import Header, Limits
from pacs.errors import Damaged, InvalidDataSet, NotFound
from pacs.model import AuditRecord, Stored, StoredInstance, Values
from pacs.ports import AuditTrail, BlobReader, Blobs, Index
from pacs.receiving import Announced, Destination, Receiving, ReceivingFile
from pacs.search.query import Query, ResultPage

VERIFY_UP_TO = 4 << 20
"""Bytes up to which an object is verified before a part of it is returned, however many frames it has."""


@dataclass(frozen=True)
class Archive:
    """`complete_only`: as in `pacs.receiving.Destination`; False where stored objects are entered again."""

    blobs: Blobs
    index: Index
    audit: AuditTrail
    limits: Limits = field(default_factory=Limits)
    complete_only: bool = True

    def receive(
        self, actor: Actor, transfer_syntax: str, sop_class_uid: str, sop_instance_uid: str
    ) -> Receiving:
        """Receive a data set without a file header, as sent by C-STORE; the header is made here.

        `InvalidDataSet` when one of the UIDs that the sender states is malformed.
        """
        for uid, name in (
            (transfer_syntax, "Transfer Syntax"),
            (sop_class_uid, "SOP Class"),
            (sop_instance_uid, "SOP Instance"),
        ):
            if not ingest.is_uid(uid):
                raise InvalidDataSet(f"the {name} UID is malformed")
        prefix = part10_prefix(sop_class_uid, sop_instance_uid, transfer_syntax)
        announced = Announced(transfer_syntax, sop_class_uid, sop_instance_uid)
        return Receiving(self._destination, actor, announced, prefix)

    def receive_file(self, actor: Actor, study_instance_uid: str = "") -> ReceivingFile:
        """Receive a PS3.10 file, stored byte for byte. With `study_instance_uid`, files of another study
        are refused (`DataSetMismatch`)."""
        return ReceivingFile(self._destination, actor, study_instance_uid)

    def store_file(self, actor: Actor, chunks: Iterable[bytes]) -> Stored:
        """`receive_file` for a file that is available as a whole."""
        with self.receive_file(actor) as receiving:
            for chunk in chunks:
                receiving.write(chunk)
            return receiving.commit()

    @property
    def _destination(self) -> Destination:
        return Destination(self.blobs, self.index, self.limits, self.complete_only)

    def find(self, actor: Actor, query: Query) -> Iterator[Values]:
        """The matches in the query's order, read page by page as they are taken; audited at the end."""
        matches = 0
        try:
            for values in self.index.find(actor.organization, query):
                matches += 1
                yield values
        finally:
            self._record_query(actor, query, matches)

    def page(self, actor: Actor, query: Query) -> ResultPage:
        """`query.limit` matches, starting at `query.offset`."""
        found = self.index.page(actor.organization, query)
        self._record_query(actor, query, len(found.answers))
        return found

    def _record_query(self, actor: Actor, query: Query, matches: int) -> None:
        keys = sorted(condition.attribute.keyword for condition in query.conditions)
        self.record(actor, "query", level=str(query.level), keys=keys, matches=matches)

    def count(self, actor: Actor, query: Query) -> int:
        """How many match on all pages. The caller audits what it does with them."""
        return self.index.count(actor.organization, query)

    def locate(self, actor: Actor, query: Query) -> Iterator[StoredInstance]:
        """The instances that an IMAGE-level query selects. The caller audits what it does with them."""
        return self.index.locate(actor.organization, query)

    def retrieve(
        self, actor: Actor, study: str, series: str | None = None, sop: str | None = None
    ) -> Iterator[StoredInstance]:
        """`NotFound` when there is no such study, series or instance. The caller audits the retrieval."""
        found = self.index.retrieve(actor.organization, study, series, sop)
        first = next(found, None)
        if first is None:
            raise NotFound
        return chain((first,), found)

    def open(self, instance: StoredInstance) -> BlobReader:
        """For reading it as a whole, verified as it is read (`BlobReader.verified`)."""
        return self.blobs.open(instance.blob.address)

    @contextmanager
    def open_verified(self, instance: StoredInstance) -> Iterator[BlobReader]:
        """Open an object to return parts of it, verified first: damaged pixels are never shown.

        Frames of a very large object are trusted, as verifying one means reading all the others.
        """
        with self.open(instance) as reader:
            self.verify(instance, reader)
            yield reader

    def verify(self, instance: StoredInstance, reader: BlobReader) -> None:
        """The check of `open_verified`, for callers that do something else at the same time."""
        if reader.size != instance.blob.size:
            raise Damaged(f"{instance.blob.address} has another length than what was stored")
        if reader.size <= VERIFY_UP_TO or _frames(instance) <= 1:
            reader.verify()

    @contextmanager
    def header(self, instance: StoredInstance) -> Iterator[Header]:
        """The header of an object opened as by `open_verified`; its values can be read within the context."""
        with self.open_verified(instance) as reader:
            yield instance.header(reader, self.limits)

    def record(
        self, actor: Actor, action: str, outcome: str = "success", resource: str = "", **details: Any
    ) -> None:
        """Audit a retrieval or a refusal soon (`AuditTrail.note`). The index audits what it stores."""
        self.audit.note(AuditRecord(actor, action, outcome, resource, details))


def _frames(instance: StoredInstance) -> int:
    return len(FrameIndex.from_bytes(instance.frames)) if instance.frames else 0
