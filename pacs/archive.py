"""The archive: objects in, questions answered, objects out again.

Law 1: `Receiving.commit` returns only when the blob is durable and its row is committed; until
then nothing is visible, and leaving the context without it leaves nothing behind.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Self

import structlog

from pacs import ingest
from pacs.actor import Actor
from pacs.dicom.frames import frame_index
from pacs.dicom.part10 import part10_prefix, read_part10
from pacs.dicom.reader import Limits, read_header
from pacs.dicom.source import BytesSource
from pacs.errors import BlobVanishing, InvalidDataSet, NotFound
from pacs.metrics import RECEIVED_BYTES
from pacs.model import AuditRecord, Received, Stored, StoredInstance, Values
from pacs.ports import AuditTrail, BlobReader, Blobs, Index, SpooledFile
from pacs.prepared import MOST_ELEMENTS, prepared
from pacs.query import Query

log = structlog.get_logger(__name__)

HEAD = 1 << 20
"""Bytes in which a file's preamble and meta information must end; real ones take a few hundred."""

VANISHING_TRIES = 50
VANISHING_PAUSE = 0.1  # seconds; the sweep removes one blob in milliseconds


@dataclass(frozen=True)
class Archive:
    blobs: Blobs
    index: Index
    audit: AuditTrail
    limits: Limits = field(default_factory=Limits)

    def receive(
        self, actor: Actor, transfer_syntax: str, sop_class_uid: str, sop_instance_uid: str
    ) -> Receiving:
        """Take in a bare data set, as C-STORE sends it; its file header is made here."""
        for uid, name in (
            (transfer_syntax, "Transfer Syntax"),
            (sop_class_uid, "SOP Class"),
            (sop_instance_uid, "SOP Instance"),
        ):
            if not ingest.is_uid(uid):
                raise InvalidDataSet(f"the {name} UID is malformed")
        prefix = part10_prefix(sop_class_uid, sop_instance_uid, transfer_syntax)
        announced = _Announced(transfer_syntax, sop_class_uid, sop_instance_uid)
        return Receiving(self, actor, announced, prefix)

    def store_file(self, actor: Actor, chunks: Iterator[bytes]) -> Stored:
        """Take in a whole file, kept byte for byte (PS3.10; missing preamble or meta tolerated)."""
        head = bytearray()
        for chunk in chunks:
            head += chunk
            if len(head) >= HEAD:
                break
        part10 = read_part10(BytesSource(bytes(head)), self.limits)
        if part10.media_storage_sop_class == ingest.MEDIA_STORAGE_DIRECTORY:
            raise InvalidDataSet("a DICOMDIR is a table of contents, not an instance")
        offset = part10.dataset_offset
        announced = _Announced(part10.transfer_syntax)
        with Receiving(self, actor, announced, bytes(head[:offset])) as receiving:
            for piece in chain((bytes(head[offset:]),), chunks):
                receiving.write(piece)
            return receiving.commit()

    def find(self, actor: Actor, query: Query) -> Iterator[Values]:
        matches = 0
        try:
            for values in self.index.find(actor.organization, query):
                matches += 1
                yield values
        finally:
            keys = sorted(condition.attribute.keyword for condition in query.conditions)
            self.record(actor, "query", level=str(query.level), keys=keys, matches=matches)

    def count(self, actor: Actor, query: Query) -> int:
        return self.index.count(actor.organization, query)

    def locate(self, actor: Actor, query: Query) -> Iterator[StoredInstance]:
        """The instances that an IMAGE-level query selects, for retrieval; the caller records it."""
        return self.index.locate(actor.organization, query)

    def retrieve(
        self, actor: Actor, study: str, series: str | None = None, sop: str | None = None
    ) -> Iterator[StoredInstance]:
        """`NotFound` when there is no such study, series or instance; the caller records it."""
        found = self.index.retrieve(actor.organization, study, series, sop)
        first = next(found, None)
        if first is None:
            raise NotFound
        return chain((first,), found)

    def open(self, instance: StoredInstance) -> BlobReader:
        return self.blobs.open(instance.blob.address)

    def record(
        self, actor: Actor, action: str, outcome: str = "success", resource: str = "", **details: Any
    ) -> None:
        """Audit what left the archive or was refused; what comes in is audited where it is stored."""
        self.audit.record(AuditRecord(actor, action, outcome, resource, details))


@dataclass(frozen=True, slots=True)
class _Announced:
    """What is known of an object before its data set arrives."""

    transfer_syntax: str
    sop_class_uid: str = ""
    sop_instance_uid: str = ""


class Receiving:
    """One object on its way in. `commit` inside the context keeps it; leaving without, drops it."""

    def __init__(self, archive: Archive, actor: Actor, announced: _Announced, prefix: bytes) -> None:
        self._archive = archive
        self._actor = actor
        self._announced = announced
        self._spool: SpooledFile = archive.blobs.spool()
        self._spool.write(prefix)
        self._spool.mark_dataset()

    def write(self, data: bytes | memoryview) -> None:
        self._spool.write(data)

    def commit(self) -> Stored:
        """Safe and visible when this returns. Any `PacsError`: nothing was kept."""
        received = self._examine()
        blobs, index = self._archive.blobs, self._archive.index
        for _ in range(VANISHING_TRIES):
            blobs.publish(self._spool)
            try:
                stored = index.store(received)
            except BlobVanishing:
                time.sleep(VANISHING_PAUSE)
            else:
                RECEIVED_BYTES.inc(received.blob.size)
                return stored
        raise BlobVanishing

    def _examine(self) -> Received:
        spool, announced = self._spool, self._announced
        header = read_header(
            spool, announced.transfer_syntax, start=spool.dataset_offset, limits=self._archive.limits
        )
        identity = ingest.identity(header, announced.sop_class_uid, announced.sop_instance_uid)
        if header.truncated:
            log.warning("data set ends early, kept as sent", sop_instance_uid=identity.sop_instance_uid)
        values = ingest.values(header)
        frames = frame_index(header, spool)
        blob = spool.seal()
        return Received(
            blob=blob,
            dataset_offset=spool.dataset_offset,
            dataset_digest=spool.dataset_digest,
            transfer_syntax=announced.transfer_syntax,
            identity=identity,
            values=values,
            frames=frames.to_bytes() if frames else None,
            actor=self._actor,
            received_at=datetime.now(UTC),
            metadata=prepared(header) if header.elements <= MOST_ELEMENTS else None,
        )

    def __enter__(self) -> Self:
        self._spool.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._spool.__exit__(*exc)
