"""The archive: storing, finding and opening objects on behalf of an actor.

Law 1: `Receiving.commit` returns only when the blob is durable and its row is committed; until
then nothing is visible, and leaving the context without it leaves nothing behind.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Self

import structlog

from pacs import ingest
from pacs.actor import Actor
from pacs.dicom.frames import FrameIndex, frame_index
from pacs.dicom.part10 import Part10, part10_prefix, read_part10
from pacs.dicom.reader import Header, Limits, read_header
from pacs.dicom.source import BytesSource
from pacs.errors import BlobVanishing, DataSetMismatch, InvalidDataSet, NotFound, PacsError
from pacs.metrics import RECEIVED_BYTES
from pacs.model import AuditRecord, Identity, Prepared, Received, Stored, StoredInstance, Values
from pacs.ports import AuditTrail, BlobReader, Blobs, Index, SpooledFile
from pacs.prepared import in_time, prepared
from pacs.search.query import Found, Query

log = structlog.get_logger(__name__)

HEAD = 1 << 20
"""Bytes within which a file's preamble and meta information must end; real ones take a few hundred."""

VERIFY_UP_TO = 4 << 20
"""Bytes up to which an object is verified before a part of it is returned, however many frames it has."""

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
        """Receive a data set without a file header, as sent by C-STORE; the header is made here."""
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

    def receive_file(self, actor: Actor, study_instance_uid: str = "") -> ReceivingFile:
        """Receive a PS3.10 file, stored byte for byte. With `study_instance_uid`, files of another study
        are refused (`DataSetMismatch`)."""
        return ReceivingFile(self, actor, study_instance_uid)

    def store_file(self, actor: Actor, chunks: Iterable[bytes]) -> Stored:
        """`receive_file` for a file that is available as a whole."""
        with self.receive_file(actor) as receiving:
            for chunk in chunks:
                receiving.write(chunk)
            return receiving.commit()

    def find(self, actor: Actor, query: Query) -> Iterator[Values]:
        matches = 0
        try:
            for values in self.index.find(actor.organization, query):
                matches += 1
                yield values
        finally:
            self._record_query(actor, query, matches)

    def page(self, actor: Actor, query: Query) -> Found:
        """`query.limit` matches, starting at `query.offset`."""
        found = self.index.page(actor.organization, query)
        self._record_query(actor, query, len(found.answers))
        return found

    def _record_query(self, actor: Actor, query: Query, matches: int) -> None:
        keys = sorted(condition.attribute.keyword for condition in query.conditions)
        self.record(actor, "query", level=str(query.level), keys=keys, matches=matches)

    def count(self, actor: Actor, query: Query) -> int:
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


@dataclass(frozen=True, slots=True)
class _Announced:
    """What is known of an object before its data set arrives; empty where unknown."""

    transfer_syntax: str
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    study_instance_uid: str = ""


class Receiving:
    """One incoming object. `commit` stores it; leaving the context without `commit` drops it.

    Work that the sender need not wait for, such as preparing metadata, is done when the context is left.
    """

    def __init__(self, archive: Archive, actor: Actor, announced: _Announced, prefix: bytes) -> None:
        self._archive = archive
        self._actor = actor
        self._announced = announced
        self.identity: Identity | None = None
        """The UIDs in the data set, once it has been read."""
        self._header: Header | None = None
        self._stored: Stored | None = None
        self._spool: SpooledFile = archive.blobs.spool()
        self._spool.write(prefix)
        self._spool.mark_dataset()

    def write(self, data: bytes | memoryview) -> None:
        self._spool.write(data)

    def commit(self) -> Stored:
        """When this returns, the object is durable and visible. On any `PacsError` nothing was stored.

        If the same data set is stored already, under any file header, that file stays in place. Its
        bytes are read first: if they are damaged or missing, this object replaces them.
        """
        received = self._examine()
        while True:
            stored = self._enter(received)
            if stored.blob == received.blob or self._archive.blobs.holds(stored.blob):
                RECEIVED_BYTES.inc(received.blob.size)
                self._stored = stored
                return stored
            received = replace(received, damaged=received.damaged | {stored.blob.address})

    def _enter(self, received: Received) -> Stored:
        blobs, index = self._archive.blobs, self._archive.index
        for _ in range(VANISHING_TRIES):
            blobs.publish(self._spool)
            try:
                return index.store(received)
            except BlobVanishing:
                time.sleep(VANISHING_PAUSE)
        raise BlobVanishing

    def _examine(self) -> Received:
        spool, announced = self._spool, self._announced
        self._header = header = read_header(
            spool, announced.transfer_syntax, start=spool.dataset_offset, limits=self._archive.limits
        )
        identity = ingest.identity(header, announced.sop_class_uid, announced.sop_instance_uid)
        self.identity = identity
        if announced.study_instance_uid not in ("", identity.study_instance_uid):
            raise DataSetMismatch("the data set belongs to another study")
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
        )

    def __enter__(self) -> Self:
        self._spool.__enter__()
        return self

    def _prepare(self) -> None:
        """Prepare the metadata that viewers ask for. The sender has its answer by now, so a failure here is
        logged and changes nothing: metadata that is missing is made when somebody asks for it."""
        header, stored = self._header, self._stored
        if header is None or stored is None or stored.version is None or not in_time(header):
            return
        try:
            made = Prepared(self._actor.organization, stored.version, prepared(header))
            self._archive.index.prepare(made)
        except Exception as error:
            unexpected = not isinstance(error, PacsError)
            log.warning("metadata not prepared", reason=type(error).__name__, exc_info=unexpected)

    def __exit__(self, *exc: object) -> None:
        try:
            self._prepare()
        finally:
            self._spool.__exit__(*exc)


class ReceivingFile:
    """One incoming PS3.10 file. Missing preamble or meta information is tolerated.

    As with `Receiving`, leaving the context without `commit` drops it.
    """

    def __init__(self, archive: Archive, actor: Actor, study_instance_uid: str) -> None:
        self._archive = archive
        self._actor = actor
        self._study_instance_uid = study_instance_uid
        self._head = bytearray()
        self._part10: Part10 | None = None
        self._receiving: Receiving | None = None
        self._undo = ExitStack()

    @property
    def sop_uids(self) -> tuple[str, str]:
        """SOP Class and SOP Instance UID, empty as long as the bytes received do not contain them."""
        if self._receiving is not None and (identity := self._receiving.identity):
            return identity.sop_class_uid, identity.sop_instance_uid
        if self._part10 is None:
            return "", ""
        return self._part10.media_storage_sop_class, self._part10.media_storage_sop_instance

    def write(self, data: bytes) -> None:
        if self._receiving is not None:
            self._receiving.write(data)
            return
        self._head += data
        if len(self._head) >= HEAD:
            self._begin()

    def commit(self) -> Stored:
        """As `Receiving.commit`."""
        return (self._receiving or self._begin()).commit()

    def _begin(self) -> Receiving:
        head, self._head = bytes(self._head), bytearray()
        self._part10 = part10 = read_part10(BytesSource(head), self._archive.limits)
        if part10.is_dicomdir:
            raise InvalidDataSet("a DICOMDIR is a directory, not an instance: send the files it lists")
        announced = _Announced(part10.transfer_syntax, study_instance_uid=self._study_instance_uid)
        prefix = head[: part10.dataset_offset]
        receiving = Receiving(self._archive, self._actor, announced, prefix)
        self._receiving = self._undo.enter_context(receiving)
        receiving.write(memoryview(head)[part10.dataset_offset :])
        return receiving

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._undo.close()


def _frames(instance: StoredInstance) -> int:
    return len(FrameIndex.from_bytes(instance.frames)) if instance.frames else 0
